"""Commands for operators: dead letters, jobs, pauses, reconcile, erase, restore, housekeeping."""
