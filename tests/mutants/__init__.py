"""Takes each guard away in turn and runs the tests that should notice: `python -m tests.mutants` (docs/guards.md)."""
