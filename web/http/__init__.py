"""What requests have in common: identity, headers, bodies, problems, limits, events and health."""
