"""Delivery by queue: broker, bell, actors, job runner, relay, the queue door and the command line."""
