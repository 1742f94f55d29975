"""axe-core on the page that somebody is at, in light and in dark: nothing serious or critical may be found."""

from __future__ import annotations

from typing import Any, Literal

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # it comes without types
from playwright.sync_api import Page

_axe = Axe()
SCHEMES: tuple[Literal["dark", "light"], ...] = ("dark", "light")
GRAVE = ("serious", "critical")


def faults(page: Page) -> list[str]:
    """What is grave on this page, one line each with where it is; nothing should be."""
    found = []
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # no colour is judged half way to another
        found += [f"{scheme}: {line}" for fault in _run(page) for line in _lines(fault)]
    return found


def _run(page: Page) -> list[dict[str, Any]]:
    answer: dict[str, Any] = _axe.run(page).response
    return [fault for fault in answer["violations"] if fault["impact"] in GRAVE]


def _lines(fault: dict[str, Any]) -> list[str]:
    return [
        f"{fault['id']} ({fault['impact']}) at {node['target']}: {node['failureSummary']}" for node in fault["nodes"]
    ]
