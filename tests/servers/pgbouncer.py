"""A real PgBouncer in transaction pooling mode, in front of a PostgreSQL server of the tests."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, make_url

from tests.servers.availability import Missing
from tests.servers.postgres import UNPRIVILEGED
from worker.local.processes import LOOPBACK, Supervised, free_port, log_line

#: Each transaction runs on another of a few server connections, so that nothing of a session is found again by chance.
_SETTINGS = """
[databases]
* = host={host} port={port}

[pgbouncer]
listen_addr = {host}
listen_port = {own_port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = transaction
server_round_robin = 1
min_pool_size = 3
default_pool_size = 15
max_client_conn = 500
{more}
"""


@dataclass(frozen=True)
class PgBouncer:
    """A running pooler. It passes every database of its server on, under the same name."""

    port: int

    def url(self, database_url: str) -> str:
        """The URL of a database through the pooler."""
        return make_url(database_url).set(port=self.port).render_as_string(hide_password=False)


@contextmanager
def pgbouncer(server: URL, **settings: str) -> Iterator[PgBouncer]:
    """A pooler for as long as the block runs. Raises Missing.

    Args:
        server: any URL of the server, with its user.
        settings: of the section `[pgbouncer]`, besides ours.
    """
    program = shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")
    if program is None:
        raise Missing("PgBouncer. Install it (Debian: apt-get install pgbouncer; macOS: brew install pgbouncer).")
    folder = Path(tempfile.mkdtemp(prefix="portal-sync-pgbouncer-", dir="/tmp"))  # reachable for any user
    own_port = free_port()
    try:
        users, file = folder / "users", folder / "pgbouncer.ini"
        users.write_text(f'"{server.username}" "{server.password}"\n')
        more = "\n".join(f"{name} = {value}" for name, value in settings.items())
        file.write_text(
            _SETTINGS.format(host=LOOPBACK, port=server.port, own_port=own_port, users=users, more=more).lstrip()
        )
        account = UNPRIVILEGED if os.geteuid() == 0 else None  # PgBouncer refuses to run as root
        folder.chmod(0o711)
        for path in (users, file):
            path.chmod(0o600)
            if account is not None:
                shutil.chown(path, account)
        with Supervised(folder / "logs") as processes:
            processes.start("pgbouncer", [program, file], ready=log_line("process up"), user=account)
            yield PgBouncer(own_port)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
