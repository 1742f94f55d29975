"""Pages for signing in and for activating an account."""
