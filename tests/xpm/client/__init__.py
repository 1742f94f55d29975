"""Tests of the XPM client: its wire formats, errors, deadlines and requests."""
