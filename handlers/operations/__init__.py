"""What operators do: dead letters, pauses, reconcile, erase, restore, housekeeping."""
