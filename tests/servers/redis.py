"""A real Redis for tests: a redis-server or valkey-server found on this machine, otherwise the Valkey of the wheel.
With the settings of production, so with an append-only file; one server for each test process."""

import itertools
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import redis

from tests.servers.availability import Missing
from worker.local import valkey
from worker.local.processes import Process, Supervised, free_port

_DATABASES = 16


@dataclass(frozen=True)
class RedisServer:
    """A running server. Its process may be killed and started again by a test that has a server of its own."""

    processes: Supervised
    folder: Path
    port: int
    _tests: Iterator[int] = field(default_factory=itertools.count)

    @property
    def url(self) -> str:
        """The URL of database 0."""
        return valkey.url(self.port)

    @property
    def process(self) -> Process:
        """The server's process, to look at or to kill. Raises KeyError while it is stopped."""
        return self.processes["redis"]

    def fresh(self) -> str:
        """The URL of an empty database: all data and scripts are gone, and whoever still uses the one of an earlier
        test does not see this one."""
        with redis.Redis.from_url(self.url) as client:
            client.flushall()
            client.script_flush()
        return valkey.url(self.port, next(self._tests) % _DATABASES)

    def start(self) -> None:
        """Start it again after `stop` or a kill, at the same port and with the data it had synced."""
        found = shutil.which("redis-server") or shutil.which("valkey-server")
        try:
            valkey.start(
                self.processes, self.folder, port=self.port, server=Path(found) if found else None, name="redis"
            )
        except valkey.NoValkey as missing:
            raise Missing(f"Redis. {missing}") from missing

    def stop(self) -> None:
        """Stop it in good order; its data stays in the folder."""
        self.processes.stop("redis")


@contextmanager
def redis_server(folder: Path) -> Iterator[RedisServer]:
    """A server that keeps its data and its log in `folder`, for as long as the block runs. Raises Missing."""
    with Supervised(folder / "logs") as processes:
        server = RedisServer(processes, folder / "data", free_port())
        server.start()
        yield server
