"""What people call the browser that a user agent is from."""

from __future__ import annotations

import pytest

from handlers.access.origin import browser_name

KIT = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {KIT} Chrome/131.0.0.0 Safari/537.36", "Chrome on Windows"),
        (f"Mozilla/5.0 (Windows NT 10.0) {KIT} Chrome/131.0 Safari/537.36 Edg/131.0", "Edge on Windows"),
        (f"Mozilla/5.0 (Linux; Android 14) {KIT} Chrome/131.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0", "Firefox on Linux"),
        (f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) {KIT} Version/18.1 Safari/605.1.15", "Safari on Mac"),
        (f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) {KIT} CriOS/131.0 Mobile/15E", "Chrome on iPhone"),
        ("python-httpx/0.28", "Another program"),
        ("curl on Windows", "Another program on Windows"),
        ("", "Another program"),
        (None, "Another program"),
    ],
)
def test_a_browser_is_called_what_people_call_it(agent: str | None, name: str) -> None:
    assert browser_name(agent) == name
