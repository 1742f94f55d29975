"""Xero logins, connections, consents, hand-over and reconnect notices."""
