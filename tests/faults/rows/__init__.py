"""The faults themselves, by what fails: one table of them a file."""
