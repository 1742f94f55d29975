"""What one elected process does for all: the relay and the scheduler."""
