"""Whether the system works: the checks behind `portal-sync doctor` and `/status`."""
