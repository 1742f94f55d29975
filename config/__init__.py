"""Settings, logging, clock and randomness: what a process is given at its start. Nothing here knows the domain."""
