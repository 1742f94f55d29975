"""What a kind of job is, the table of kinds, enqueueing, and explaining why a job waits."""
