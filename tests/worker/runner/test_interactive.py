"""One interactive import: what it costs, and what is not done twice for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from psycopg import _queries

from handlers.directory.lookup import fetch_records
from handlers.registry import HANDLERS
from handlers.services import Services
from portal_db.states import ImportState
from portal_db.tables import Job
from tests.handlers.directory.given import synced
from tests.making import importable
from tests.servers.statements import executed
from tests.worker.runner.running import runner
from tests.world import World
from xpm.simulator.serve import SimulatorHandle

#: Request, five jobs, and the close.
STATEMENTS = 65


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_an_interactive_import_takes_few_statements(world: World, simulator: SimulatorHandle) -> None:
    synced(world)
    with executed(world.database.engine) as seen:
        import_id = world.ask(importable(simulator)[0].uuid, send_welcome_email=True)
        ring_out(world)
    assert world.import_row(import_id).state is ImportState.SUCCEEDED
    assert len(seen) <= STATEMENTS, "\n".join(seen)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_the_driver_keeps_how_it_took_each_statement_apart(
    world: World, simulator: SimulatorHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """psycopg does so for texts of up to 4,096 characters and 50 parameters. It takes a longer one apart anew each time."""
    taken_apart: list[bytes] = []
    take_apart = _queries._query2pg_nocache

    def note(query: bytes, encoding: str) -> Any:
        taken_apart.append(query)
        return take_apart(query, encoding)

    monkeypatch.setattr(_queries, "_query2pg_nocache", note)
    synced(world)
    taken_apart.clear()  # those of the sync are not an import's
    import_id = world.ask(importable(simulator)[0].uuid, send_welcome_email=True)
    ring_out(world)
    assert world.import_row(import_id).state is ImportState.SUCCEEDED
    assert taken_apart == []


def test_follow_ups_go_on_with_what_was_fetched(world: World, simulator: SimulatorHandle) -> None:
    synced(world)
    fetched: list[str] = []

    def fetch(services: Services, jobs: Sequence[Job]) -> Sequence[Any]:
        fetched.extend(job.kind for job in jobs)
        return fetch_records(services, jobs)

    kinds = {
        name: replace(each, fetch=fetch) if each.fetch is fetch_records else each for name, each in HANDLERS.items()
    }
    import_id = world.ask(importable(simulator)[0].uuid)
    runner(world, kinds=kinds).run(world.jobs_of(import_id)["validate_import"].id)
    assert fetched == ["validate_import"]
    assert world.scalar("SELECT count(*) > 2 FROM client_fields"), "the details are those of the record"


def ring_out(world: World) -> None:
    """Run what is rung until nothing is."""
    while world.bell.rung:
        _, job_id = world.bell.rung.pop(0)
        world.runner().run(job_id)
