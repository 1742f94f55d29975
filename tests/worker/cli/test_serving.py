"""`portal-sync serve` as people have it: staff sign in, Ctrl-C ends it, and it goes on another time."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pyotp
import pytest

from tests.serving import serving
from tests.web.pages.reading import Reader
from tests.worker.cli.test_running import alive_with, until
from worker.local.processes import free_port


def integration_of(where: dict[str, Any], who: str, known: dict[str, list[str]]) -> dict[str, Any]:
    """How somebody's integration stands, once they have signed in with the password that was printed.

    Args:
        known: recovery codes of those who had to set up a second factor, to sign in with another time.
    """
    email = next(member["email"] for member in where["staff"] if member["email"].startswith(who))
    options: dict[str, Any] = {"headers": {"Accept": "text/html"}, "follow_redirects": True}
    with httpx.Client(base_url=where["url"], trust_env=False, timeout=30, **options) as browser:
        visitor = Reader(browser)
        page = visitor.send(visitor.open("/sign-in"), "/sign-in", email=email, password=where["password"])
        if page.path == "/sign-in/set-up":
            key = next(item.text for item in page.main.all("code")).replace(" ", "")
            page = visitor.send(page, "/sign-in/set-up", code=pyotp.TOTP(key).now())
            known[email] = [item.text for item in page.main.all("code")]
        elif page.path == "/sign-in/code":
            page = visitor.send(page, "/sign-in/code", code=known[email].pop())
        assert page.status == 200, page.text
        found: dict[str, Any] = browser.get("/api/v1/integrations/xpm").json()
        return found


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")
def test_a_served_portal_can_be_signed_in_to_and_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    mark = f"MARK={uuid4()}"
    env = dict([mark.split("=")])
    known: dict[str, list[str]] = {}
    options = ("--data", tmp_path / "serve", "--clients", 40, "--port", free_port())
    # Given a portal that was just set up
    with serving(*options, "--json", env=env) as served:
        until(lambda: bool(served.lines) or served.ended())
        where = served.where
        # Then each of its practices' staff finds what was said of them
        assert integration_of(where, "partner", known)["can_import"]
        assert integration_of(where, "manager", known)["problem"]["code"] == "integration_not_configured"
        assert not integration_of(where, "owner@quietbay", known)["mfa_mandatory"]
        # And Ctrl-C leaves nothing running
        served.stop()
        assert alive_with(mark) == []
    # When it is started again, with another simulator that knows of no consent
    with serving(*options, env=env) as again:
        until(lambda: any("Ctrl-C" in line for line in again.lines) or again.ended())
        # Then who was connected still is, and people are told where to look and how to get in
        assert integration_of(where, "partner", known)["can_import"]
        opening = "".join(again.lines)
        assert where["url"] in opening
        assert where["password"] in opening
        again.stop()
