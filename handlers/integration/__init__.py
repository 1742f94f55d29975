"""Connecting a practice to XPM, leaving it, and handing its connections and links over."""
