"""Clients as staff work with them: links to XPM records, history, tasks, and connections of entities."""
