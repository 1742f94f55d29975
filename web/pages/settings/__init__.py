"""Pages for integrations and security."""
