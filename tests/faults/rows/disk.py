"""The disk under PostgreSQL is full: statements that write fail with SQLSTATE 53100, some at once, some half way through a
transaction. Requests come to the queue door meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import redis
from psycopg import sql

from tests.faults.rows.messages import at_the_door, were_accepted
from tests.faults.rows.record import straight
from tests.faults.trial import Fault, Trial

#: What a trigger on every table does: nothing, or what a full disk does, which stops whichever statement needs a new page.
_ROOM = """
    CREATE OR REPLACE FUNCTION room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$"""
_NO_ROOM = """
    CREATE OR REPLACE FUNCTION room() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF random() < 0.6 THEN
            PERFORM nextval('writes_without_room');
            RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
        END IF;
        RETURN NULL;
    END $$"""


def full(trial: Trial) -> None:
    """For some seconds PostgreSQL has no room for most writes; then it has again, and nobody restarts anything."""
    seconds = trial.much(4, 25)
    with redis.Redis.from_url(trial.stage.redis.url) as client, straight(trial) as connection, _triggers(connection):
        trial.ask()
        trial.under_way()
        requests = [trial.request() for _ in range(trial.much(4, 40))]
        connection.execute(_NO_ROOM)
        for request in requests:
            trial.count_in_flight()
            at_the_door(client, request)
            time.sleep(seconds / len(requests))
        connection.execute(_ROOM)
        [(trial.injected,)] = connection.execute("SELECT last_value FROM writes_without_room").fetchall()
        trial.over()
        were_accepted(trial, client, requests)
        trial.all_closed()


@contextmanager
def _triggers(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """One on each table, made and dropped one by one, so that nobody's transaction can deadlock with it."""
    tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    connection.execute("CREATE SEQUENCE writes_without_room")
    connection.execute(_ROOM)
    on_each = "CREATE TRIGGER room BEFORE INSERT OR UPDATE ON {} EXECUTE FUNCTION room()", "DROP TRIGGER room ON {}"
    for (name,) in tables:
        connection.execute(sql.SQL(on_each[0]).format(sql.Identifier(name)))
    yield
    for (name,) in tables:
        connection.execute(sql.SQL(on_each[1]).format(sql.Identifier(name)))
    connection.execute("DROP FUNCTION room")
    connection.execute("DROP SEQUENCE writes_without_room")


FAULTS: dict[str, Fault] = {"PostgreSQL's disk full": full}
