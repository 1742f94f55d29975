"""Pages of imports: adding a client, one import, batches and Integration progress."""
