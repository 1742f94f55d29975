"""Looking after the record: reconcile, retention, erasure, restores, migrations."""
