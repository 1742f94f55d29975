"""Settings, logging, clock and randomness: what a process needs at its start. Nothing here knows the domain."""
