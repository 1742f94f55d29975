"""Pages of imports: the window, one import, batches and progress."""
