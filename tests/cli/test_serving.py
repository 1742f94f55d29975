"""`portal-sync serve` as people have it: staff sign in, Ctrl-C ends it, and it goes on another time."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.cli.test_running import alive_with, started, until
from worker.embedded.processes import free_port


class Served:
    """A running `serve`, and what it has printed."""

    def __init__(self, process: subprocess.Popen[str], *, as_json: bool = True) -> None:
        self.process = process
        self.lines: list[str] = []
        assert process.stdout is not None
        if as_json:
            first = process.stdout.readline()
            assert first, process.communicate()[1]
            self.where: dict[str, Any] = json.loads(first)
        threading.Thread(target=lambda: self.lines.extend(process.stdout or ()), daemon=True).start()

    def integration_of(self, who: str) -> dict[str, Any]:
        """How somebody's integration stands, once they have signed in with the password that was printed."""
        email = next(member["email"] for member in self.where["staff"] if member["email"].startswith(who))
        with httpx.Client(base_url=self.where["url"], trust_env=False, timeout=30) as browser:
            signed_in = browser.post("/api/v1/session", json={"email": email, "password": self.where["password"]})
            assert signed_in.status_code == 201, signed_in.text
            found: dict[str, Any] = browser.get("/api/v1/integrations/xpm").json()
            return found

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        _, err = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, err


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")
@pytest.mark.timeout(300)
def test_a_served_portal_can_be_signed_in_to_and_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    mark = f"MARK={uuid4()}"
    env = dict([mark.split("=")])
    command = ("serve", "--data", tmp_path / "serve", "--clients", 40, "--port", free_port())
    # Given a portal that was just set up
    with started(*command, "--json", env=env) as process:
        served = Served(process)
        # Then each of its practices' staff finds what was said of them
        assert served.integration_of("partner")["can_import"]
        assert served.integration_of("manager@")["problem"]["code"] == "integration_not_configured"
        assert not served.integration_of("owner@quietbay")["mfa_mandatory"]
        # And Ctrl-C leaves nothing running
        served.stop()
        assert alive_with(mark) == []
    # When it is started again, with another simulator that knows of no consent
    with started(*command, env=env) as process:
        served_again = Served(process, as_json=False)
        served_again.where = served.where
        until(lambda: any("Ctrl-C" in line for line in served_again.lines))
        # Then who was connected still is, and it is told where to look, in lines that fit
        assert served_again.integration_of("partner")["can_import"]
        opening = "".join(served_again.lines).split("Mail to")[0]
        assert served.where["url"] in opening
        assert served.where["password"] in opening
        served_again.stop()
