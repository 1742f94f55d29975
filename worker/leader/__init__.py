"""The work of the one elected process: the relay and the scheduler."""
