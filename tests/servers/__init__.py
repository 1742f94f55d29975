"""Real servers for tests: PostgreSQL, Redis and a mail catcher, found or started on any machine without Docker, stopped
with the tests that asked for them. `fixtures` is the pytest plugin."""
