"""The faults themselves, by what fails: one table of faults in each file."""
