"""Retention, discrepancies, erasures, restores, and where personal data is kept."""
