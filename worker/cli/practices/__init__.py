"""Commands about practices: people, API keys, connections, structures, webhooks, directory, schedule."""
