"""Running jobs: the runner, leases, failures and isolation."""
