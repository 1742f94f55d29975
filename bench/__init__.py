"""Measurements: how fast, side by side in one run, on a real PostgreSQL and a real Redis. Nothing here asserts a time."""
