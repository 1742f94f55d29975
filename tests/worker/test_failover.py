"""A database that takes no writes, or fails over to its stand-by, is an outage like any other: nothing is lost, nothing is
called a bug, and everything continues by itself once writes are possible again."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
import pytest
from cryptography.fernet import Fernet
from psycopg import sql
from sqlalchemy import make_url, text
from structlog.testing import capture_logs

import worker.queue.door
from portal_db import migrate
from portal_db.access import people
from portal_db.database import DATABASE_AWAY, Database
from tests.making import importable
from tests.servers.availability import required
from tests.servers.postgres import connection_to, own_postgres_server, stand_by_of
from tests.servers.waiting import wait_until
from tests.worker.cli.conftest import NOBODY_LISTENS
from tests.worker.cli.test_running import started
from tests.worker.queue.desk import Desk
from tests.worker.runner.running import count
from tests.world import World, building
from worker.local.mail_catcher import MailCatcher
from worker.queue.door import QUEUE
from xpm.simulator.serve import SimulatorHandle

#: All continues within this time of the promotion.
CONTINUES_SECONDS = 15


@contextmanager
def read_only(url: str) -> Iterator[Callable[[], None]]:
    """The database takes no writes, from nobody, until the function that this yields is called. Connections that were made
    meanwhile stay read-only, as those to a server that was demoted."""
    name = sql.Identifier(str(make_url(url).database))
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:

        def end() -> None:
            connection.execute(sql.SQL("ALTER DATABASE {} RESET default_transaction_read_only").format(name))

        connection.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(name))
        try:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            yield end
        finally:
            end()


def rename(database: Database, practice_id: UUID) -> None:
    with database.write() as tx:
        people.set_practice(tx, practice_id, {"name": "Renamed"})


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_connection_that_finds_itself_read_only_is_thrown_away_with_its_pool(world: World, database_url: str) -> None:
    # Given two pooled connections to a server that takes no writes
    with read_only(database_url):
        for _ in range(2):  # the first ones were terminated
            with pytest.raises(DATABASE_AWAY):
                rename(world.database, world.practice_id)
        with world.database.read() as one, world.database.read() as two:
            pids = {tx.session.scalar(text("SELECT pg_backend_pid()")) for tx in (one, two)}
        with pytest.raises(DATABASE_AWAY):
            rename(world.database, world.practice_id)
    # When it takes them again, the next write succeeds at once
    rename(world.database, world.practice_id)
    # And none of the old connections is used again
    with world.database.read() as one, world.database.read() as two:
        assert pids.isdisjoint(tx.session.scalar(text("SELECT pg_backend_pid()")) for tx in (one, two))


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_requests_at_the_door_of_a_read_only_database_wait_and_are_recorded_afterwards(
    world: World,
    redis_url: str,
    database_url: str,
    simulator: SimulatorHandle,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker.queue.door, "RETRY_SECONDS", 0.05)
    desk = Desk.at(world, redis_url)
    requests = [world.request(person.uuid) for person in importable(simulator)[:5]]
    desk.ask(importable(simulator)[5].uuid)
    # Given a worker and a database that takes no writes, when a job's message and requests come
    with capture_logs() as logs, read_only(database_url) as end, desk.working():
        wait_until(lambda: "broker.database_away" in _events(logs), "the job's message met it")
        for number, request in enumerate(requests):
            desk.post(request.model_dump(), f"m-{number}")
        desk.put(QUEUE, b"garbage", "bad")
        wait_until(lambda: "door.database_away" in _events(logs), "the door met it")
        # Then nothing was acknowledged
        assert desk.unacknowledged(QUEUE) == 6
        # And when writes are possible again, the door goes on
        end()
        wait_until(lambda: not desk.unacknowledged(QUEUE), "the door is empty", CONTINUES_SECONDS)
    # Then each request is recorded, only the garbage was kept as malformed, and nothing was called a bug
    assert {(desk.receipt(request.request_id) or {}).get("status") for request in requests} == {"accepted"}
    assert [count(world, table) for table in ("imports", "malformed_messages")] == [6, 1]
    assert "broker.actor_failed" not in _events(logs)
    assert [line["queue"] for line in logs if line["event"] == "door.malformed"] == [QUEUE]


def _events(logs: list[MutableMapping[str, Any]]) -> set[object]:
    return {line["event"] for line in list(logs)}


def test_everything_continues_on_the_promoted_stand_by(
    redis_url: str, simulator: SimulatorHandle, mail_catcher: MailCatcher
) -> None:
    """Two hosts in the address and `target_session_attrs=read-write`: whoever is the primary is found."""
    with required(), own_postgres_server() as primary, stand_by_of(primary) as stand_by:
        hosts = [f"{server.url.host}:{server.url.port}" for server in (primary, stand_by)]
        both = primary.url.set(host=None, port=None).update_query_dict(
            {"host": hosts, "target_session_attrs": "read-write"}
        )
        url = both.render_as_string(hide_password=False)
        database = Database(url)
        migrate.upgrade(database)
        database.close()
        with building(url, simulator.api_url, simulator.config.access_token, mail_catcher) as world:
            desk = Desk.at(world, redis_url)
            requests = [world.request(person.uuid) for person in importable(simulator)[:6]]
            with capture_logs() as logs, desk.working():
                desk.post(requests[0].model_dump(), "m-0")
                wait_until(partial(desk.receipt, requests[0].request_id), "the first is accepted")
                # When the primary is gone, and requests come
                primary.stop()
                for number, request in enumerate(requests[1:], 1):
                    desk.post(request.model_dump(), f"m-{number}")
                wait_until(lambda: "door.database_away" in _events(logs), "the door met it")
                # And the stand-by is promoted
                with connection_to(stand_by) as connection:
                    connection.execute("SELECT pg_promote()")
                # Then each of them is accepted within seconds
                for request in requests:
                    wait_until(partial(desk.receipt, request.request_id), "it is accepted", CONTINUES_SECONDS)
                wait_until(lambda: not desk.unacknowledged(QUEUE), "the door is empty")
            assert [count(world, table) for table in ("imports", "malformed_messages")] == [6, 0]


def test_a_process_that_waits_for_its_database_ends_when_told_to() -> None:
    env = {
        "DATABASE_URL": "postgresql://kim:secret@127.0.0.1:1/portal",
        "REDIS_URL": NOBODY_LISTENS,
        "TOKEN_KEYS": Fernet.generate_key().decode(),
    }
    with started("worker", env=env) as process:
        assert process.stderr is not None
        assert "database.awaited" in process.stderr.readline()
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(30) == 0
