"""What every request passes: identity, headers, bodies, problems, limits, events and health."""
