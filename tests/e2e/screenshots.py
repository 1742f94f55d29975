"""`make screenshots`: pictures of the served pages, for the documents. The same seed and the same clicks make the same ones.

Run as `python -m tests.e2e.screenshots [FOLDER]`; it serves a portal of its own and stops it again.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.e2e import records
from tests.e2e.browser import WAIT_MS, Visit, chromium, visiting
from tests.e2e.console_pictures import take_console
from tests.serving import Served, serving
from tests.worker.cli.test_running import until
from worker.local.processes import free_port

FOLDER = Path(__file__).parents[2] / "docs" / "images"
#: Bytes: larger ones make a repository heavy.
LARGEST = 150_000
WIDTH, PHONE = 1240, 390


class Album:
    """Takes pictures into a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def take(self, page: Page, name: str, *, whole: bool = False) -> None:
        """A picture of what is in sight, or of the whole page."""
        page.mouse.move(0, 0)
        path = self._folder / f"{name}.png"
        page.screenshot(path=path, full_page=whole, animations="disabled", caret="hide")
        size = path.stat().st_size
        print(f"{path.name:<32} {size:>8,} bytes")
        if size > LARGEST:
            raise SystemExit(f"{path.name} is larger than {LARGEST:,} bytes: show less of the page.")


def take_all(browser: Browser, served: Served, album: Album) -> None:
    """Each page once, as a partner comes to it."""
    with _partner(browser, served) as visit:
        until(lambda: _is_quiet(visit))
        visit.menu("Client list")
        album.take(visit.page, "client-list")
        _adding(visit, album)
        _searching(visit, album)
        _progress_and_review(visit, album)
        _batch(visit, album)
        visit.menu("Integrations")
        album.take(visit.page, "integrations")
    with _partner(browser, served, dark=True) as visit:
        album.take(visit.page, "client-list-dark")
    with _partner(browser, served, width=PHONE) as visit:
        album.take(visit.page, "client-list-phone")


def _adding(visit: Visit, album: Album) -> None:
    entity = records.entities(visit.served, lambda row: bool(row["relationships"]))[0]
    person, page = records.people(visit.served)[0], visit.page
    visit.go("/clients/add/xpm")
    page.get_by_label("Client or entity name").press_sequentially("Trust")
    expect(page.get_by_role("status").first).to_contain_text("in XPM")
    album.take(page, "add-search")
    visit.go(f"/clients/add/xpm/{entity['uuid']}")
    album.take(page, "add-entity")
    visit.button("Add").click()
    expect(visit.heading(f"{entity['name']} has been added")).to_be_visible()
    album.take(page, "success")
    visit.go(f"/clients/add/xpm/{person['uuid']}")
    album.take(page, "add-individual", whole=True)


def _searching(visit: Visit, album: Album) -> None:
    page = visit.page
    visit.menu("Client list")
    name = page.locator("tbody tr th .name").first.inner_text().split()[-1]
    page.locator("summary", has_text="Advanced search").click()
    panel = page.get_by_role("search", name="Advanced search")
    panel.get_by_label("Xero Practice Manager").check()
    panel.get_by_label("Name of the client or entity").press_sequentially(name)
    expect(page.locator("#advanced-results").get_by_role("heading", name="MP clients")).to_be_visible()
    album.take(page, "advanced-search")


def _progress_and_review(visit: Visit, album: Album) -> None:
    page = visit.page
    visit.menu("Integration progress")
    album.take(page, "integration-progress")
    page.get_by_role("link", name=re.compile("Review new items for .*[(][3-9]")).first.click()
    album.take(page, "review")
    page.locator("[data-item]").first.get_by_role("link", name="Import").click()
    expect(page.get_by_role("dialog", name="Import into the team")).to_be_visible()
    album.take(page, "window")


def _batch(visit: Visit, album: Album) -> None:
    page = visit.page
    several = [*records.people(visit.served)[1:5], *records.without_email(visit.served)[:1]]
    visit.go("/batches/new")
    for record in several:
        page.get_by_label("Client or entity name").fill(record["name"])
        visit.button("Search").click()
        page.get_by_label(record["name"]).check()
    visit.button("Check before importing").click()
    album.take(page, "batch-check")
    page.get_by_role("button", name=re.compile(r"^Import \d")).click()
    expect(visit.heading("Import complete")).to_be_visible(timeout=60_000)
    album.take(page, "batch")


def _is_quiet(visit: Visit) -> bool:
    """Whether all that the portal imports by itself has come to an end."""
    visit.go("/integration-progress")
    return not re.search("In progress|Accepted", visit.page.get_by_role("main").inner_text())


@contextmanager
def _partner(browser: Browser, served: Served, *, width: int = WIDTH, dark: bool = False) -> Iterator[Visit]:
    with visiting(browser, served, width=width, dark=dark) as visit:
        visit.page.set_viewport_size({"width": width, "height": 720})
        visit.sign_in("partner")
        yield visit


def main() -> None:
    """Take all of them."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=WAIT_MS)
    with tempfile.TemporaryDirectory() as data, chromium() as browser:
        options = ("--data", data, "--clients", 120, "--port", free_port(), "--json")
        with serving(*options) as served:
            until(lambda: bool(served.lines) or served.ended(), seconds=120)
            take_all(browser, served, Album(folder))
            served.stop()
        take_console(browser, Album(folder))


if __name__ == "__main__":
    main()
