"""People, credentials, sessions, API keys and activation links."""
