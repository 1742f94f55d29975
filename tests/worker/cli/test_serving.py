"""`portal-sync serve` as people have it: staff sign in, Ctrl-C ends it, and it goes on another time."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.serving import serving
from tests.worker.cli.test_running import alive_with, until
from worker.local.processes import free_port


def integration_of(where: dict[str, Any], who: str) -> dict[str, Any]:
    """How somebody's integration stands, once they have signed in with the password that was printed."""
    email = next(member["email"] for member in where["staff"] if member["email"].startswith(who))
    with httpx.Client(base_url=where["url"], trust_env=False, timeout=30) as browser:
        signed_in = browser.post("/api/v1/session", json={"email": email, "password": where["password"]})
        assert signed_in.status_code == 201, signed_in.text
        found: dict[str, Any] = browser.get("/api/v1/integrations/xpm").json()
        return found


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")
@pytest.mark.timeout(300)
def test_a_served_portal_can_be_signed_in_to_and_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    mark = f"MARK={uuid4()}"
    env = dict([mark.split("=")])
    options = ("--data", tmp_path / "serve", "--clients", 40, "--port", free_port())
    # Given a portal that was just set up
    with serving(*options, "--json", env=env) as served:
        until(lambda: bool(served.lines) or served.ended())
        where = served.where
        # Then each of its practices' staff finds what was said of them
        assert integration_of(where, "partner")["can_import"]
        assert integration_of(where, "manager")["problem"]["code"] == "integration_not_configured"
        assert not integration_of(where, "owner@quietbay")["mfa_mandatory"]
        # And Ctrl-C leaves nothing running
        served.stop()
        assert alive_with(mark) == []
    # When it is started again, with another simulator that knows of no consent
    with serving(*options, env=env) as again:
        until(lambda: any("Ctrl-C" in line for line in again.lines) or again.ended())
        # Then who was connected still is, and people are told where to look and how to get in
        assert integration_of(where, "partner")["can_import"]
        opening = "".join(again.lines)
        assert where["url"] in opening
        assert where["password"] in opening
        again.stop()
