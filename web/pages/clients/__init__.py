"""Pages of clients: list, record, search, review, tasks and connections."""
