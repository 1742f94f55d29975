"""The embedded Valkey: on loopback, with the settings of production, durable, and gone with whoever started it."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.servers.waiting import wait_until
from worker.local import valkey
from worker.local.processes import LOOPBACK, ProcessFailed, Supervised, free_port


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Supervised]:
    with Supervised(tmp_path / "logs") as supervised:
        yield supervised


def test_it_has_the_settings_that_production_demands(processes: Supervised, tmp_path: Path) -> None:
    with redis.Redis.from_url(valkey.start(processes, tmp_path / "data"), decode_responses=True) as client:
        wanted = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction", "save": ""}
        assert client.config_get(*wanted) == wanted
        assert client.config_get("bind") == {"bind": LOOPBACK}


def test_data_survive_a_stop(processes: Supervised, tmp_path: Path) -> None:
    port = free_port()
    with redis.Redis.from_url(valkey.start(processes, tmp_path / "data", port=port)) as client:
        client.set("bell", "rung")
        processes.stop("valkey")
        valkey.start(processes, tmp_path / "data", port=port)
        assert client.get("bell") == b"rung"


def test_data_survive_a_kill(processes: Supervised, tmp_path: Path) -> None:
    port = free_port()
    with redis.Redis.from_url(valkey.start(processes, tmp_path / "data", port=port)) as client:
        client.set("bell", "rung")
        os.kill(processes["valkey"].pid, signal.SIGKILL)
        assert processes["valkey"].ended_within(10)
        valkey.start(processes, tmp_path / "data", port=port)
        assert client.get("bell") == b"rung"


def test_a_port_in_use_is_reported_in_the_servers_words(processes: Supervised, tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken, pytest.raises(ProcessFailed, match="Address already in use"):
        valkey.start(processes, tmp_path / "data", port=taken.getsockname()[1])


def test_it_ends_when_whoever_started_it_is_killed(tmp_path: Path) -> None:
    port = free_port()
    starts = (
        "import signal\n"
        "from pathlib import Path\n"
        "from worker.local import valkey\n"
        "from worker.local.processes import Supervised\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "processes = Supervised(folder / 'logs')\n"
        f"print(valkey.start(processes, folder / 'data', port={port}), flush=True)\n"
        "signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-c", starts], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == f"redis://{LOOPBACK}:{port}/0\n"
        assert is_open(port)
        parent.kill()
    wait_until(lambda: not is_open(port), "Valkey ends with its parent")


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0
