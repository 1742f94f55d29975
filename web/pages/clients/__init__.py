"""Pages of clients: list, record, search, XPM link, review, invitations, tasks and connections."""
