"""A new worker rehearses imports, and leaves no trace of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select
from structlog.testing import capture_logs

from config import spans
from handlers.jobs.kinds import JobKind
from portal_db.database import Database, Tx
from portal_db.tables import Base, Import, Job
from tests.counts import growth
from tests.handlers.directory.given import synced
from tests.handlers.given import find, is_company, records
from tests.logging_restored import logging_restored
from tests.making import importable
from tests.servers.statements import executed
from tests.worker.runner.running import raising
from tests.worker.runner.test_sets import first_jobs
from tests.world import World
from worker.rehearsal import rehearse
from worker.runner.runner import Runner
from xpm.simulator.serve import SimulatorHandle

ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


def row_counts(world: World) -> dict[str, object]:
    with world.database.read() as tx:
        tables = Base.metadata.tables.items()
        return {name: tx.session.scalar(select(func.count()).select_from(table)) for name, table in tables}


@ON_POSTGRESQL
def test_a_rehearsal_leaves_no_trace(own_world: World, own_simulator: SimulatorHandle, monkeypatch: Any) -> None:
    # Given a record, and somebody who collects spans
    world, spoken = own_world, list[object]()
    monkeypatch.setattr(spans, "_reporter", type("Reporter", (), {"report": lambda *given, **_: spoken.append(given)}))
    before, calls = row_counts(world), dict(own_simulator.simulator.counters.calls)
    succeeded = growth("job_attempts_total", kind="validate_import", outcome="succeeded")
    waited = growth("job_wait_seconds_count", lane="import")
    # When a worker rehearses, and all is imported
    with logging_restored(), capture_logs() as logged:
        assert rehearse(world.services)
    # Then nothing of it is recorded, sent, counted or told
    assert row_counts(world) == before
    assert own_simulator.simulator.counters.calls == calls
    assert not world.mail.deliveries()
    assert (succeeded(), waited()) == (0, 0)
    assert [event["event"] for event in logged] == ["worker.rehearsed"]
    assert not spoken


def welcomes(world: World) -> Sequence[UUID]:
    """The jobs that send welcome emails."""
    with world.database.read() as tx:
        return tx.session.scalars(select(Job.id).where(Job.kind == JobKind.SEND_WELCOME_EMAIL)).all()


def without_lists(text: str) -> str:
    """A statement as it was compiled, before a list of values was written into it."""
    return re.sub(r" IN \((?:%\([^)]*\)[^,)]*,? ?)+\)", " IN ()", text)


@ON_POSTGRESQL
def test_what_imports_send_was_sent_in_the_rehearsal(world: World, simulator: SimulatorHandle) -> None:
    # Given a worker that has rehearsed, and its directory
    synced(world)
    with executed(world.database.engine) as rehearsed:
        assert rehearse(world.services)
    # When it imports a batch, with one whose record is refused, and one that somebody waits for
    person, *people = importable(simulator)[:4]
    companies = [each for each in records(simulator) if is_company(each)][:2]
    rows = [world.request(each.uuid, send_welcome_email=True) for each in people]
    rows += [world.request(each.uuid, "entity") for each in companies]
    rows.append(world.request(find(simulator, lambda record: record.is_archived).uuid))
    batch = first_jobs(world, world.ask_batch(rows))
    alone = first_jobs(world, [world.ask(person.uuid, send_welcome_email=True)])
    with executed(world.database.engine) as sent:
        world.runner().run(*batch)
        world.runner().run(*alone)
    emails = welcomes(world)
    with executed(world.database.engine) as sent_later:
        world.runner().run(*emails)
    assert len(world.mail.deliveries()) == 4
    # Then no statement of theirs is new, but for the one that asks whether the mail server was away
    new = {without_lists(text) for text in (*sent, *sent_later)} - {without_lists(text) for text in rehearsed}
    assert [text for text in new if "outages" not in text] == []


@ON_POSTGRESQL
def test_a_rehearsal_that_fails_is_no_failure(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given an import that cannot be run
    monkeypatch.setattr(Runner, "run", raising(RuntimeError("cannot")))
    before = row_counts(world)
    # When a worker rehearses, then it says so, and goes on
    with logging_restored(), capture_logs() as logged:
        assert not rehearse(world.services)
    assert [event["event"] for event in logged] == ["worker.not_rehearsed"]
    assert row_counts(world) == before


@ON_POSTGRESQL
def test_a_rehearsal_that_never_ends_is_left(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Runner, "run", lambda *_: None)
    assert not rehearse(world.services)


def test_sqlite_is_spared(sqlite_world: World) -> None:
    with executed(sqlite_world.database.engine) as sent:
        assert not rehearse(sqlite_world.services)
    assert not sent


def test_a_database_that_is_away_is_left_to_who_needs_it(sqlite_world: World) -> None:
    away = Database("postgresql://nobody@127.0.0.1:9/nothing", sqlite_world.services.sources)
    assert not rehearse(replace(sqlite_world.services, database=away))
    away.close()


@ON_POSTGRESQL
def test_a_rehearsal_is_rolled_back(world: World) -> None:
    def rename(tx: Tx) -> None:
        tx.session.execute(Base.metadata.tables["practices"].update().values(name="Other"))

    with world.database.rehearsal() as stage:
        for unit in (stage.write, stage.single):
            with unit() as tx:
                rename(tx)
        with stage.read() as tx, stage.glance() as glance:
            assert tx.session.scalar(select(Base.metadata.tables["practices"].c.name)) == "Other"
            assert glance.session.scalar(select(func.count()).select_from(Import)) == 0
    with world.database.read() as tx:
        assert tx.session.scalar(select(Base.metadata.tables["practices"].c.name)) != "Other"
