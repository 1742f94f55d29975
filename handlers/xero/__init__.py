"""Xero tokens and connections, and the notice that a connection has expired."""
