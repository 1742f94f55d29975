"""Pages of imports: one import, a batch's progress and Integration progress."""
