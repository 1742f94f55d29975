"""Where a request comes from, as people recognise it in the list of their sessions and in the sign-in log."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: In this order: most browsers also claim to be others.
_BROWSERS = (
    ("Edge", r"\bEdg(e|A|iOS)?/"),
    ("Opera", r"\bOPR/"),
    ("Samsung Internet", r"\bSamsungBrowser/"),
    ("Firefox", r"\b(Firefox|FxiOS)/"),
    ("Chrome", r"\b(Chrome|CriOS)/"),
    ("Safari", r"\bVersion/.*\bSafari/"),
)
_SYSTEMS = (
    ("Android", r"\bAndroid\b"),
    ("iPhone", r"\biPhone\b"),
    ("iPad", r"\biPad\b"),
    ("Windows", r"\bWindows\b"),
    ("Mac", r"\bMacintosh\b"),
    ("ChromeOS", r"\bCrOS\b"),
    ("Linux", r"\bLinux\b"),
)


@dataclass(frozen=True)
class Origin:
    """The network address and the user agent of a request, as its headers say."""

    address: str
    agent: str = ""


def browser_name(agent: str | None) -> str:
    """What people call the browser of a user agent: `Chrome on Windows`. Anybody can send any user agent."""
    browser, system = (_first(table, agent or "") for table in (_BROWSERS, _SYSTEMS))
    if browser is None:
        return f"Another program on {system}" if system else "Another program"
    return f"{browser} on {system}" if system else browser


def _first(table: tuple[tuple[str, str], ...], agent: str) -> str | None:
    return next((name for name, pattern in table if re.search(pattern, agent)), None)
