"""Pictures of the operators' console, for the documents: dead letters of several causes, at one operator's browser."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from playwright.sync_api import Browser, Page, expect

from portal_db.database import Database
from portal_db.migrate import upgrade
from portal_db.states import OperatorRole
from tests.e2e.console import operating
from tests.handlers.given import run_when_apply_raises
from tests.handlers.operations import given as ops
from tests.making import importable
from tests.servers.redis import redis_server
from tests.web.console.desk import OpsDesk, serving
from tests.world import building
from worker.local.mail_catcher import catching
from xpm.simulator.serve import SimulatorConfig, SimulatorHandle, running


class Album(Protocol):
    """Takes pictures."""

    def take(self, page: Page, name: str, *, whole: bool = False) -> None: ...


def take_console(browser: Browser, album: Album) -> None:
    """The dead letters, the preview of an act on all of them, and an import to correct."""
    with _portal() as (desk, simulator), operating(browser, desk, "Olu Ops", OperatorRole.ADMIN) as olu:
        rejected = _what_went_wrong(desk, simulator)
        olu.go("/dead")
        expect(olu.page.get_by_role("heading", name="By cause")).to_be_visible()
        album.take(olu.page, "console-dead")
        olu.page.get_by_role("link", name="Requeue all matching…").click()
        expect(olu.page.get_by_role("heading", name="Preview")).to_be_visible()
        album.take(olu.page, "console-preview")
        olu.go(f"/imports/{rejected}")
        album.take(olu.page, "console-import")


@contextmanager
def _portal() -> Iterator[tuple[OpsDesk, SimulatorHandle]]:
    with (
        tempfile.TemporaryDirectory() as folder,
        running(SimulatorConfig(clients=60, seed=7, port=0, enforce_quota=False)) as simulator,
        catching(Path(folder) / "mail") as mail,
        redis_server(Path(folder)) as redis,
    ):
        url = f"sqlite:///{folder}/portal.db?synchronous=normal"
        database = Database(url)
        upgrade(database)
        database.close()
        with (
            building(url, simulator.api_url, simulator.config.access_token, mail) as world,
            serving(world, redis.url) as desk,
        ):
            yield desk, simulator


def _what_went_wrong(desk: OpsDesk, simulator: SimulatorHandle) -> object:
    """Dead letters of two causes, one of them done elsewhere since; returns an import that was rejected."""
    world = desk.world
    for person in range(4):
        ops.dead_validation(world, simulator, person=person)
    for person in (4, 5):
        import_id = ops.ask(world, simulator, person=person)
        run_when_apply_raises(world, import_id, "validate_import", ZeroDivisionError("a bug"))
    ops.ask(world, simulator, person=1)
    rejected = world.ask(importable(simulator)[6].uuid, email="mia@moss")
    world.run_due()
    return rejected
