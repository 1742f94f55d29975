"""A name that XPM holds is text on every page that shows it, whatever is in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.making import importable
from tests.web.desk import Desk, serving
from tests.web.pages.clients.test_list import HOSTILE
from tests.web.pages.frame.test_frame import keeps_the_rules
from tests.web.pages.people import connected
from tests.web.pages.reading import Page
from tests.world import World
from xpm.simulator.serve import SimulatorHandle


@pytest.fixture
def own_desk(own_sqlite_world: World, redis_url: str) -> Iterator[Desk]:
    """`desk`, on a simulator whose records may be changed."""
    with serving(own_sqlite_world, redis_url) as made:
        yield made


def test_a_hostile_name_from_xpm_is_text_all_the_way(own_desk: Desk, own_simulator: SimulatorHandle) -> None:
    visitor = connected(own_desk)
    for record, hostile in zip(importable(own_simulator), HOSTILE, strict=False):
        record.name = f"Zyx {hostile}"

        def shows(page: Page, name: str = record.name) -> Page:
            keeps_the_rules(page)
            written = {item.text for item in page.root.all("bdi", "a", "h1")} | {
                item["value"] for item in page.root.all("input")
            }
            assert [text for text in written if name in text], page.path
            assert not list(page.main.all("script", "img"))
            return page

        found = shows(visitor.open("/clients/add/xpm", q=hostile[:30]))
        window = shows(visitor.open(found.links()[record.name]))
        shows(visitor.open("/search", q=hostile[:30], integration="xpm"))
        added = visitor.send(window, window.path, send_welcome_email="no")
        own_desk.world.run_due()
        done = shows(visitor.open(added.path))
        shows(visitor.open(done.links()["Import details and relationships"]))
        shows(visitor.open("/search", q=hostile[:30]))
        shows(visitor.open("/clients"))
