"""Attacks on a running portal over loopback, and what they cost others: `python -m tests.abuse` (docs/security.md)."""
