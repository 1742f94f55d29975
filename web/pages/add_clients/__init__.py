"""Adding clients from XPM: the search, the window for one client, and a batch."""
