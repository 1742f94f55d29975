"""The servers that tests run on: real, empty for each test, and missed loudly when they are not there."""

import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import redis
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from portal_db.access import people
from portal_db.database import Database
from tests.servers.availability import Missing, required
from tests.servers.lending import Lender
from tests.servers.postgres import PostgresServer, fresh_database
from tests.servers.redis import RedisServer


@pytest.mark.parametrize("_attempt", [1, 2])
def test_a_database_is_empty_for_each_test(empty_database_url: str, _attempt: int) -> None:
    database = Database(empty_database_url)
    with database.write() as tx:
        tx.session.execute(text("CREATE TABLE client (name TEXT)"))
    database.close()


def test_a_postgresql_database_is_dropped_whoever_uses_it(postgres_server: PostgresServer) -> None:
    with fresh_database(postgres_server) as url:
        engine = create_engine(url)
        connection = engine.connect()
        assert connection.scalar(text("SELECT lower('ĒLAN')")) == "ēlan"
    connection.invalidate()
    engine.dispose()
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(url.replace("+psycopg", ""))


def test_a_lent_database_comes_back_empty_under_another_name(postgres_lender: Lender) -> None:
    with postgres_lender.lend() as url:
        database = Database(url)
        with database.write() as tx:
            people.add_practice(tx, {"id": tx.new_id(), "name": "Hill", "time_zone": "UTC", "mfa_mandatory": True})
        left_open = database.engine.connect()
    with pytest.raises(OperationalError):
        left_open.scalar(text("SELECT 1"))
    left_open.invalidate()
    with postgres_lender.lend() as again, closing(Database(again)) as found, found.read() as tx:
        assert tx.session.scalar(text("SELECT count(*) FROM practices")) == 0
    with pytest.raises(OperationalError, match="does not exist"), database.read() as tx:
        tx.session.scalar(text("SELECT 1"))
    database.close()


def test_a_lent_database_whose_tables_were_changed_is_not_lent_again(postgres_lender: Lender) -> None:
    with postgres_lender.lend() as url, closing(Database(url)) as database, database.write() as tx:
        tx.session.execute(text("ALTER TABLE pauses DROP COLUMN reason"))
    with postgres_lender.lend() as url, closing(Database(url)) as database, database.read() as tx:
        assert tx.session.scalar(text("SELECT count(reason) FROM pauses")) == 0


def test_a_redis_database_is_empty_for_each_test(redis_server: RedisServer) -> None:
    urls = [redis_server.fresh(), redis_server.fresh()]
    assert urls[0] != urls[1]
    with redis.Redis.from_url(urls[1]) as client:
        client.set("bell", "rung")
    with redis.Redis.from_url(redis_server.fresh()) as client:
        assert client.info("keyspace") == {}


def test_redis_is_a_real_server(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        assert client.config_get("appendonly") == {"appendonly": "yes"}


def test_a_redis_of_ones_own_can_be_killed_and_started_again(own_redis: RedisServer) -> None:
    with redis.Redis.from_url(own_redis.url) as client:
        client.set("bell", "rung")
        os.kill(own_redis.process.pid, signal.SIGKILL)
        assert own_redis.process.ended_within(10)
        own_redis.start()
        assert client.get("bell") == b"rung"


def test_a_missing_server_skips_locally(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="Missing here: a teapot"), required():
        raise Missing("a teapot")


def test_a_missing_server_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="Missing here: a teapot"), required():
        raise Missing("a teapot")


SUITE = """
import pytest
from tests.servers.availability import Missing, required

@pytest.mark.parametrize("n", [1, 2])
def test_tea(n):
    with required():
        raise Missing("a teapot")

def test_luck(seed):
    assert seed == 1
"""


def test_the_summary_says_what_was_missing_and_a_failure_its_seed(tmp_path: Path) -> None:
    (tmp_path / "test_suite.py").write_text(SUITE)
    here = Path(__file__).parents[2]
    options = ["-p", "tests.servers.fixtures", "-n", "1", "--rootdir", str(tmp_path), str(tmp_path)]
    environment = {name: value for name, value in os.environ.items() if name != "CI"} | {"TEST_SEED": "42"}
    command = [sys.executable, "-m", "pytest", *options]
    run = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, check=False)
    assert "2 skipped. a teapot" in run.stdout
    assert "TEST_SEED=42 repeats this run" in run.stdout
    assert run.stdout.count("TEST_SEED=42") == 2
