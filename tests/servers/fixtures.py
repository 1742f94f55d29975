"""The pytest plugin of the test servers: `postgres_url`, `sqlite_tables`, `database_url` (both, one after the other),
`redis_url`, `mail_catcher` and `seed`. A server starts with the first test that asks for it.

Databases have the record's tables, as copies of one that was migrated once; those of `sqlite_url`, `empty_postgres_url` and
`empty_database_url` have none.
"""

import os
import random
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from portal_db import migrate
from portal_db.database import Database
from tests.servers.availability import required, summary
from tests.servers.lending import Lender
from tests.servers.pgbouncer import PgBouncer, pgbouncer
from tests.servers.postgres import PostgresServer, fresh_database
from tests.servers.postgres import postgres_server as running_postgres
from tests.servers.redis import RedisServer
from tests.servers.redis import redis_server as running_redis
from tests.servers.statements import share_compiled_statements
from worker.local.mail_catcher import MailCatcher, catching

#: Modules whose tests of both databases run through a PgBouncer too: of the record, of the runner and of the relay.
THROUGH_A_POOLER = frozenset(
    {
        *("tests.portal_db.test_bulk", "tests.portal_db.test_transactions", "tests.portal_db.test_uniqueness"),
        *("tests.portal_db.work.test_claims", "tests.portal_db.work.test_leases"),
        *("tests.worker.runner.test_commits", "tests.worker.runner.test_errors"),
        *("tests.worker.runner.test_flow", "tests.worker.runner.test_lost_leases"),
        *("tests.worker.runner.test_sets", "tests.worker.leader.test_relay_fairness"),
        *("tests.worker.leader.test_relay_outages", "tests.worker.leader.test_rolling_deploys"),
    }
)
#: The parameter of `database_url` for a test of plans: PostgreSQL's statistics say nothing yet, whatever ran before.
NEW = "new postgresql"
#: The fixtures of databases with tables, by the parameter of `database_url`.
_WITH_TABLES = {
    "sqlite": "sqlite_tables",
    "postgresql": "postgres_url",
    "pgbouncer": "pgbouncer_url",
    NEW: "new_postgres_url",
}
SEED = "TEST_SEED"  # in the environment, so that the processes of pytest-xdist inherit it


def pytest_configure() -> None:
    os.environ.setdefault(SEED, str(random.randrange(2**32)))
    share_compiled_statements()


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of some modules through a pooler as well."""
    if metafunc.module.__name__ not in THROUGH_A_POOLER or "database_url" not in metafunc.fixturenames:
        return
    if not any("database_url" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")):
        everywhere = pytest.mark.parametrize("database_url", ["sqlite", "postgresql", "pgbouncer"], indirect=True)
        metafunc.definition.add_marker(everywhere)


def pytest_report_header() -> str:
    return f"seed: {SEED}={os.environ[SEED]} repeats this run"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    summary(terminalreporter)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and "seed" in getattr(item, "fixturenames", ()):
        report.sections.append(("seed", f"{SEED}={os.environ[SEED]}"))
    return report


@pytest.fixture
def seed() -> int:
    """The seed of this run for `random.Random`: from TEST_SEED or random, shown at the start and with a failure."""
    return int(os.environ[SEED])


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The PostgreSQL server of this test process."""
    with required(), running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_template(postgres_server: PostgresServer) -> Iterator[str]:
    """The name of a PostgreSQL database with the record's tables, to be copied."""
    with fresh_database(postgres_server) as url:
        _migrate(url)
        yield str(make_url(url).database)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an SQLite database with the record's tables, to be copied."""
    file = tmp_path_factory.mktemp("template") / "portal.db"
    _migrate(f"sqlite:///{file}?synchronous=normal")
    return file


def _migrate(url: str) -> None:
    database = Database(url)
    migrate.upgrade(database)
    database.close()


@pytest.fixture
def empty_postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A new, empty PostgreSQL database: `postgresql+psycopg://…`."""
    with fresh_database(postgres_server) as url:
        yield url


@pytest.fixture(scope="session")
def postgres_lender(postgres_server: PostgresServer, postgres_template: str) -> Iterator[Lender]:
    """Lends PostgreSQL databases with the record's tables."""
    lender = Lender(postgres_server, postgres_template)
    yield lender
    lender.close()


@pytest.fixture
def postgres_url(postgres_lender: Lender) -> Iterator[str]:
    """An empty PostgreSQL database with the record's tables."""
    with postgres_lender.lend() as url:
        yield url


@pytest.fixture
def new_postgres_url(postgres_server: PostgresServer, postgres_template: str) -> Iterator[str]:
    """A PostgreSQL database with the record's tables that no test has used before."""
    with fresh_database(postgres_server, postgres_template) as url:
        yield url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A new SQLite database, whose file does not exist yet: `sqlite:////…`."""
    return f"sqlite:///{tmp_path / 'portal.db'}?synchronous=normal"


@pytest.fixture
def sqlite_tables(sqlite_url: str, sqlite_template: Path) -> str:
    """`sqlite_url`, with the record's tables."""
    shutil.copy(sqlite_template, str(make_url(sqlite_url).database))  # as private as the original
    return sqlite_url


@pytest.fixture(scope="session")
def pgbouncer_server(postgres_server: PostgresServer) -> Iterator[PgBouncer]:
    """The PgBouncer of this test process, in front of its PostgreSQL server."""
    with required(), pgbouncer(postgres_server.url) as pooler:
        yield pooler


@pytest.fixture
def pgbouncer_url(pgbouncer_server: PgBouncer, postgres_url: str) -> str:
    """`postgres_url`, through a PgBouncer in transaction mode."""
    return pgbouncer_server.url(postgres_url)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A new database with the record's tables: the test runs once on SQLite and once on PostgreSQL. A test may ask for
    `pgbouncer` or `NEW` instead."""
    url: str = request.getfixturevalue(_WITH_TABLES[request.param])
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest) -> str:
    """As `database_url`, without tables."""
    url: str = request.getfixturevalue({"sqlite": "sqlite_url", "postgresql": "empty_postgres_url"}[request.param])
    return url


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """The Redis server of this test process; not to be stopped. For that, use `own_redis`."""
    with required(), running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """An empty database of a real Redis: `redis://…`."""
    return redis_server.fresh()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis server of the test's own, to be killed, stopped and started at will."""
    with required(), running_redis(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def mail_catcher(tmp_path: Path) -> Iterator[MailCatcher]:
    """A mail catcher on loopback: `mail_catcher.url`, `.deliveries()`, `.behave(…)`."""
    with catching(tmp_path / "mail") as catcher:
        yield catcher
