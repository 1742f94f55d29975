"""The queue: the relay, the consumer, the door, and real processes on a real Redis."""
