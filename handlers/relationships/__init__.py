"""Relationships from XPM: labels, direction, merging, re-sync and review."""
