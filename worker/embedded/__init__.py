"""The servers of the embedded shape (a real Valkey, a mail catcher) and what starts and stops them: child processes
that never outlive whoever asked for them. Nothing here is used in production."""
