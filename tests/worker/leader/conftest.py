"""The queue's desk, for tests of the relay."""

from __future__ import annotations

from tests.worker.queue.conftest import desk, sqlite_desk

__all__ = ["desk", "sqlite_desk"]
