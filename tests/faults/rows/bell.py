"""The bell fails: the relay is killed, and Redis loses its data, hangs or is full. No work may be lost."""

from __future__ import annotations

import os
import shutil
import signal
import time
from typing import Any

import redis
from sqlalchemy import make_url

from tests.faults.stage import WORKERS
from tests.faults.trial import Fault, Trial


def client(trial: Trial) -> redis.Redis:
    return redis.Redis.from_url(trial.stage.redis.url, socket_timeout=5)


def relay_killed(trial: Trial) -> None:
    """Kill -9 of the relay; the next one leads once its lease of ten seconds has expired. Recovery is that of a batch. An
    alert says that no relay leads, and no other says anything."""
    trial.alerts_become()
    trial.ask()
    trial.under_way()
    trial.signal("relay", signal.SIGKILL)
    trial.alerts_become("PortalSyncNoRelay")
    trial.stage.revive()
    trial.over(batch=True)


def restarted_empty(trial: Trial) -> None:
    """Kill -9 of Redis with its files deleted; it restarts empty. Meanwhile one alert says so, and no other anything."""
    server = trial.stage.redis
    trial.ask()
    trial.under_way()
    for _ in range(trial.much(1, 3)):
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.ended_within(10)
        trial.injected += 1
        trial.count_in_flight()
        trial.alerts_become("PortalSyncRedisAway")
        shutil.rmtree(server.folder)
        server.start()
        time.sleep(trial.much(0, 2))
    trial.over()


def halted(trial: Trial) -> None:
    """Redis stops answering for 30 seconds (6 in a short run, which is still longer than any of our timeouts)."""
    trial.ask()
    trial.under_way()
    pid = trial.stage.redis.process.pid
    os.kill(pid, signal.SIGSTOP)
    trial.injected += 1
    time.sleep(trial.much(6, 30))
    trial.count_in_flight()
    os.kill(pid, signal.SIGCONT)
    trial.over()


def flushed(trial: Trial) -> None:
    """FLUSHALL, several times: the limiter's counts are lost too, so a permit takes a moment each time."""
    trial.ask()
    trial.under_way()
    with client(trial) as connection:
        for _ in range(trial.much(2, 6)):
            connection.flushall()
            trial.injected += 1
            trial.count_in_flight()
            time.sleep(trial.much(0.5, 2))
    trial.over()


def full(trial: Trial) -> None:
    """Redis is out of memory and refuses every write, because it evicts nothing."""
    trial.ask()
    trial.under_way()
    with client(trial) as connection:
        connection.config_resetstat()
        connection.config_set("maxmemory", "1")
        time.sleep(trial.much(3, 15))
        stats: Any = connection.info("errorstats")
        connection.config_set("maxmemory", "0")
    trial.injected = int(stats.get("errorstat_OOM", {}).get("count", 0))
    trial.over()


def confined(trial: Trial) -> None:
    """All processes use a Redis user with the rights that the settings page asks for, and no others; a worker is killed."""
    with client(trial) as connection:
        connection.execute_command("ACL", "SETUSER", "confined", "on", ">secret", "~portal:*", "+@all", "-@dangerous")
    url = make_url(trial.stage.redis.url).set(username="confined", password="secret")
    there = {**trial.stage.usual, "REDIS_URL": url.render_as_string(hide_password=False)}
    trial.stage.run(worker_1=there, worker_2=there, relay=there)
    trial.ask()
    trial.under_way()
    trial.signal("worker-1", signal.SIGKILL)
    trial.stage.revive()
    trial.over()
    trial.all_closed()
    for name in (*WORKERS, "relay"):
        if "consumer.refused" in trial.stage.processes[name].log():
            trial.problems.append(f"{name} lacks a right")


FAULTS: dict[str, Fault] = {
    "kill -9 of the relay": relay_killed,
    "Redis restarted empty": restarted_empty,
    "Redis paused": halted,
    "Redis FLUSHALL": flushed,
    "Redis out of memory": full,
    "Redis with a confined user": confined,
}
