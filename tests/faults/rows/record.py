"""The record fails: PostgreSQL restarts or takes no writes, COMMITs are cut or refused, transactions deadlock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import redis
from psycopg import sql
from sqlalchemy import make_url

from tests.faults.proxy import cutting
from tests.faults.rows.messages import at_the_door, were_accepted
from tests.faults.stage import through
from tests.faults.trial import Fault, Trial
from tests.servers.postgres import PostgresServer, connection_to, stand_by_of


@contextmanager
def straight(trial: Trial) -> Iterator[psycopg.Connection[Any]]:
    """A connection that uses none of our code; each statement is a transaction."""
    url = trial.stage.settings.database_url.replace("+psycopg", "")
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def restarted(trial: Trial) -> None:
    """PostgreSQL stops immediately, with clients connected, and restarts two seconds later."""
    trial.ask()
    trial.under_way()
    for _ in range(trial.much(1, 3)):
        trial.count_in_flight()
        trial.stage.postgres.stop()
        trial.injected += 1
        time.sleep(2)
        trial.stage.postgres.start()
        trial.stage.database.engine.dispose()
        time.sleep(trial.much(0, 2))
    trial.over()


def cut_at_commit(trial: Trial) -> None:
    """The connection breaks while a COMMIT is under way, so that the worker cannot know whether it happened."""
    port = trial.stage.postgres.url.port
    assert port is not None
    with cutting(port, trial.random) as cutter:
        there = {**trial.stage.usual, **through(trial.stage.settings, cutter.port)}
        trial.stage.run(worker_1=there, worker_2=there, relay=there)
        trial.ask()
        trial.under_way()
        cutter.cut(trial.much(12, 60))
        trial.wait(lambda: not cutter.left or not trial.open(), "COMMITs are cut")
        trial.injected = cutter.before + cutter.after
        if not (cutter.before and cutter.after):
            trial.problems.append("COMMITs were cut on one side only")
        trial.over()
        trial.all_closed()
        trial.stage.run()


def deadlocked(trial: Trial) -> None:
    """Another transaction locks a job and then its import, in the wrong order; PostgreSQL ends our transaction."""
    log = trial.stage.postgres.log
    trial.ask()
    trial.under_way()
    before = log().count("deadlock detected")
    until = time.monotonic() + 30
    with straight(trial) as connection:
        connection.execute("SET deadlock_timeout = '30s'")  # so ours detects the deadlock, and is ended
        while log().count("deadlock detected") - before < trial.much(3, 20) and time.monotonic() < until:
            trial.count_in_flight()
            with connection.transaction():
                row = connection.execute(
                    "SELECT import_id FROM jobs WHERE practice_id = %s AND state = 'running' AND import_id IS NOT NULL"
                    " ORDER BY random() LIMIT 1 FOR UPDATE",
                    [trial.practice_id],
                ).fetchone()
                time.sleep(0.1)
                if row is not None:
                    connection.execute("SELECT 1 FROM imports WHERE id = %s FOR UPDATE", row)
            if not trial.open():
                break
    trial.injected = log().count("deadlock detected") - before
    trial.over()


def read_only(trial: Trial) -> None:
    """The database takes no writes, as while it fails over; requests wait at the queue door and jobs run. Connections made
    meanwhile stay read-only afterwards, as those to a server that was demoted."""
    client = redis.Redis.from_url(trial.stage.redis.url)
    trial.ask()
    trial.under_way()
    seconds = trial.much(6, 25)
    requests = [trial.request() for _ in range(trial.much(8, 40))]
    with straight(trial) as connection:
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(name))
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        trial.stage.database.engine.dispose()
        for request in requests:
            trial.count_in_flight()
            at_the_door(client, request)
            trial.injected += 1
            time.sleep(seconds / len(requests))
        connection.execute(sql.SQL("ALTER DATABASE {} RESET default_transaction_read_only").format(name))
    trial.stage.database.engine.dispose()
    trial.over()
    were_accepted(trial, client, requests)
    client.close()


def failed_over(trial: Trial) -> None:
    """The primary stops for good while requests come to the queue door; its stand-by is promoted. Processes name both."""
    stage, primary = trial.stage, trial.stage.postgres
    client = redis.Redis.from_url(stage.redis.url)
    stand_by = stage.keep.enter_context(stand_by_of(primary))
    stage.keep.callback(back_alone, primary)
    hosts = [f"{server.url.host}:{server.url.port}" for server in (primary, stand_by)]
    both = make_url(stage.settings.database_url).set(host=None, port=None)
    both = both.update_query_dict({"host": hosts, "target_session_attrs": "read-write"})
    there = {**stage.usual, "DATABASE_URL": both.render_as_string(hide_password=False)}
    stage.run(worker_1=there, worker_2=there, relay=there)
    trial.ask()
    trial.under_way()
    requests = [trial.request() for _ in range(trial.much(8, 40))]
    primary.stop()
    for request in requests:
        at_the_door(client, request)
        trial.injected += 1
    time.sleep(trial.much(1, 10))
    with connection_to(stand_by) as connection:
        connection.execute("SELECT pg_promote()")
    stage.move_to(stand_by)
    trial.over()
    were_accepted(trial, client, requests)
    client.close()


def back_alone(primary: PostgresServer) -> None:
    """Start a server again, without the stand-by that it would wait for."""
    primary.start()
    with connection_to(primary) as connection:
        connection.execute("ALTER SYSTEM RESET synchronous_standby_names")
        connection.execute("SELECT pg_reload_conf()")


_REFUSE = """
    CREATE SEQUENCE refused_commits;
    CREATE FUNCTION refuse_commit() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF random() < 0.15 THEN
            PERFORM nextval('refused_commits');
            RAISE EXCEPTION 'could not serialize access' USING ERRCODE = 'serialization_failure';
        END IF;
        RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER refuse_commit AFTER UPDATE ON jobs DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW WHEN (OLD.state <> NEW.state AND NEW.practice_id = {practice}) EXECUTE FUNCTION refuse_commit();"""
_ALLOW = "DROP TRIGGER refuse_commit ON jobs; DROP FUNCTION refuse_commit; DROP SEQUENCE refused_commits;"


def not_serialisable(trial: Trial) -> None:
    """One in seven changes of a job fails at its COMMIT with SQLSTATE 40001, as under a stricter isolation level."""
    wanted = trial.much(8, 60)
    with straight(trial) as connection:
        connection.execute(sql.SQL(_REFUSE).format(practice=sql.Literal(str(trial.practice_id))))

        def refused() -> int:
            row = connection.execute("SELECT last_value - (NOT is_called)::int FROM refused_commits").fetchone()
            return int(row[0]) if row else 0

        trial.ask()
        trial.count_in_flight()
        trial.wait(lambda: refused() >= wanted or not trial.open(), "COMMITs are refused", 60)
        trial.injected = refused()
        connection.execute(_ALLOW)
    trial.over()


FAULTS: dict[str, Fault] = {
    "PostgreSQL restarted": restarted,
    "PostgreSQL read-only": read_only,
    "connections cut at COMMIT": cut_at_commit,
    "deadlocks": deadlocked,
    "serialization failures": not_serialisable,
}
#: Runs last, because the stage has another server afterwards.
LAST: dict[str, Fault] = {"PostgreSQL failed over": failed_over}
