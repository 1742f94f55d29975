"""Who acts and what they may do: callers, operators, sessions, passwords, API keys, practices and their people."""
