"""The command line, for tests of migrations."""

from __future__ import annotations

from tests.worker.cli.conftest import cli, migrated

__all__ = ["cli", "migrated"]
