"""The worker side: queue, job runner, leader, the command line, and the local system for demos."""
