"""The directory: its syncs, and what reads from it."""
