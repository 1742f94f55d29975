"""`/status`: whether the system works, for uptime checks: the quick checks of `portal-sync doctor`, every few seconds."""

from __future__ import annotations

import threading
from importlib.metadata import version

from config.listener import Answer
from worker.health import checks
from worker.health.checks import Installation

#: Callers within this time get the same answer.
KEEP_SECONDS = 5.0


class Status:
    """Answers 200 if every quick check is passed, otherwise 503. Threads may share it."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._lock = threading.Lock()
        self._kept: Answer | None = None
        self._kept_until = 0.0

    def __call__(self) -> Answer:
        with self._lock:
            now = self._installation.sources.monotonic()
            if self._kept is None or now >= self._kept_until:
                self._kept = _ask(self._installation)
                self._kept_until = now + KEEP_SECONDS
            return self._kept


def _ask(installation: Installation) -> Answer:
    found = list(checks.run(installation, quick=True))
    is_ok = all(result.ok for result in found)
    return Answer.of_json(
        200 if is_ok else 503,
        {
            "status": "ok" if is_ok else "failing",
            "version": version("portal-sync"),
            "checks": [{"name": result.name, "ok": result.ok} for result in found],
        },
    )
