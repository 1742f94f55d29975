"""`portal-sync serve` as a process of a test: who can sign in, what it printed, what it was asked, and its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from worker.local.mail_catcher import Mailbox
from xpm.simulator.serve import SimulatorConfig


class Served:
    """A running `serve`. With `--json` it has told where everything is."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.lines: list[str] = []
        #: Recovery codes of those who have set their second factor up, by email.
        self.recovery_codes: dict[str, list[str]] = {}
        self._process = process
        threading.Thread(target=lambda: self.lines.extend(process.stdout or ()), daemon=True).start()

    @property
    def where(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.lines[0])
        return found

    @property
    def url(self) -> str:
        return str(self.where["url"])

    @property
    def mailbox(self) -> Mailbox:
        return Mailbox(Path(self.where["mail"]))

    def email_of(self, who: str) -> str:
        """The sign-in of the staff member whose address begins so."""
        return next(str(member["email"]) for member in self.where["staff"] if member["email"].startswith(who))

    def truth(self) -> list[dict[str, Any]]:
        """What the simulator's first practice holds, in the order of XPM's list."""
        address = f"{self.where['simulator_url']}/_sim/truth?tenant={SimulatorConfig().tenant_id}"
        lines = httpx.get(address, trust_env=False, timeout=30).text.splitlines()
        return sorted(map(json.loads, lines), key=lambda row: int(row["position"]))

    def ended(self) -> bool:
        return self._process.poll() is not None

    def stop(self) -> None:
        """Press Ctrl-C, and see that it ends well."""
        self._process.send_signal(signal.SIGINT)
        _, err = self._process.communicate(timeout=60)
        assert self._process.returncode == 0, err


@contextmanager
def serving(*arguments: object, env: Mapping[str, str] | None = None) -> Iterator[Served]:
    """The command as a process, killed at the end if it is still there."""
    process = subprocess.Popen(
        [sys.executable, "-m", "worker.cli", "serve", *map(str, arguments)],
        env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Served(process)
    finally:
        process.kill()
        process.wait()
