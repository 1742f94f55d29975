"""Xero Practice Manager (XPM): its API client, OAuth, quota and wire formats, and a simulator of it."""
