"""The machine and its start: another user without a home behind proxies that do not work, a boot before the database and
before its tables, nights without a relay, and what a worker holds after many jobs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import func, or_, select

from portal_db.states import SyncMode
from portal_db.tables import Directory, Schedule, ScheduledRun, XpmConnection, same_directory
from portal_db.work import jobs
from tests.faults.rows.record import straight
from tests.faults.rows.versions import CHORES, chore
from tests.faults.stage import WORKERS, Stage
from tests.faults.trial import Fault, Trial
from tests.servers.held import TOLD, held

PROCESSES = (*WORKERS, "relay")
#: Beyond what a worker holds once it has worked, after any number of jobs: memory in MB, and open descriptors.
MEMORY_MB, DESCRIPTORS = 12, 8
#: Where nobody listens.
DEAD = "http://127.0.0.1:9"
PROXIES = {name: DEAD for word in ("http", "https", "all") for name in (f"{word}_proxy", f"{word.upper()}_PROXY")}
#: Read-only from the root, as another user without a home. Where Python is installed in a home, that user may read it.
_BARE = (
    "mount -o remount,bind,ro / && exec setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=+dac_read_search"
    ' --ambient-caps=+dac_read_search env -u HOME -u TMPDIR "$@"'
)


def bare() -> tuple[str, ...]:
    """What a command is put behind, to be started on a bare machine; as far as we may."""
    command = ("unshare", "--mount", "sh", "-c", _BARE, "sh")
    if shutil.which("unshare") and shutil.which("setpriv"):
        tried = subprocess.run([*command, sys.executable, "-c", ""], capture_output=True, check=False)
        if tried.returncode == 0:
            return command
    return ("env", "-u", "HOME")


def on_a_bare_machine(trial: Trial) -> None:
    """All processes run as another user without a home, on a read-only file system, and are told of proxies that nobody
    serves. Nothing of it is noticed."""
    stage = trial.stage
    there = {**stage.usual, **PROXIES}
    stage.behind = bare()
    stage.run(worker_1=there, worker_2=there, relay=there)
    stage.behind = ()
    trial.injected = len(PROCESSES)
    trial.ask()
    trial.under_way()
    trial.over()
    trial.all_closed()
    for name in PROCESSES:
        log = stage.processes[name].log()
        if "Traceback" in log or '"level": "error"' in log:
            trial.problems.append(f"{name} misses something: {log[-2000:]}")


def boot(trial: Trial) -> None:
    """In the middle of the imports the machine boots, and its processes come before the database: they wait. The database
    comes without its tables: they end and say why. The tables come: they are started again, and go on."""
    stage = trial.stage
    trial.ask()
    trial.under_way()
    for name in PROCESSES:
        stage.processes.stop(name)
    with _without_tables(trial):
        stage.postgres.stop()
        try:
            with ThreadPoolExecutor(len(PROCESSES)) as pool:
                list(pool.map(partial(stage.start, ready="database.awaited", module="worker.cli"), PROCESSES))
        finally:
            stage.postgres.start()
        trial.injected = sum(_says_what_it_lacks(stage, name) for name in PROCESSES)
    if trial.injected < len(PROCESSES):
        trial.problems.append("a process did not say what it lacked")
    stage.revive()
    trial.over()


@contextmanager
def _without_tables(trial: Trial) -> Iterator[None]:
    """The database as it is before the migrations."""
    with straight(trial) as connection:
        connection.execute("ALTER SCHEMA public RENAME TO migrated")
        connection.execute("CREATE SCHEMA public")
    try:
        yield
    finally:
        trial.stage.database.engine.dispose()
        with straight(trial) as connection:
            connection.execute("DROP SCHEMA public")
            connection.execute("ALTER SCHEMA migrated RENAME TO public")


def _says_what_it_lacks(stage: Stage, name: str) -> bool:
    """Whether a process has waited for the database, said so once without the password, and ended without tables."""
    process = stage.processes[name]
    ended = process.ended_within(30) and process.exit_code == 3
    log = process.log()
    secret = str(stage.postgres.url.password)
    return ended and log.count("database.awaited") == 1 and "has no tables yet" in log and secret not in log


def missed_nights(trial: Trial) -> None:
    """No relay runs for three nights. What was due in them is done once when it is back, while imports run."""
    stage = trial.stage
    stage.run(relay={**stage.usual, "FAULT_LOOK_SECONDS": "0.2"})
    trial.sync_directory()
    trial.wait(lambda: any(name.startswith("full-") for name in _runs(trial)), "the full sync of each night is planned")
    trial.ask()
    trial.under_way()
    stage.processes.stop("relay")
    before = _runs(trial)
    with stage.database.write() as tx:
        for schedule in tx.session.scalars(_nightly(trial)):
            schedule.next_due_at -= timedelta(days=3)
            schedule.planned_at = schedule.next_due_at - timedelta(days=1)
            trial.injected += 3
    stage.revive()
    trial.over(batch=True)
    trial.wait(lambda: all(number > before[name] for name, number in _runs(trial).items()), "each is made good", 30)
    trial.all_closed()
    if any(number > before[name] + 1 for name, number in _runs(trial).items()):
        trial.problems.append("a missed night was made good twice")


def _runs(trial: Trial) -> dict[str, int]:
    """How often each of the schedules has run that concern the practice at night."""
    with trial.stage.database.read() as tx:
        names = [schedule.name for schedule in tx.session.scalars(_nightly(trial))]
        ran = select(ScheduledRun.schedule, func.count()).where(ScheduledRun.schedule.in_(names))
        found = dict(tx.session.execute(ran.group_by(ScheduledRun.schedule)).all())
    return {name: found.get(name, 0) for name in names}


def _nightly(trial: Trial) -> Any:
    its = select(Directory.id).join(XpmConnection, same_directory(XpmConnection, Directory))
    own = Schedule.directory_id.in_(its.where(XpmConnection.id == trial.connection_id))
    return select(Schedule).where(or_(own & (Schedule.mode == SyncMode.FULL), Schedule.directory_id.is_(None)))


def many_jobs(trial: Trial) -> None:
    """Two workers run thousands of jobs, imports among them. They hold no more of the machine than before."""
    stage = trial.stage
    newer = {**stage.usual, "FAULT_NEW_KIND": "1"}
    stage.run(worker_1=newer, worker_2=newer)
    trial.ask()
    trial.all_closed()
    before = [_held(trial, name) for name in WORKERS]
    chores = trial.much(200, 10_000)
    with stage.database.write() as tx:
        jobs.add(tx, [chore(trial, number) for number in range(chores)])
    trial.ask(trial.imports // 2)
    trial.count_in_flight()
    trial.wait(lambda: not trial.scalar(f"{CHORES} AND state <> 'succeeded'"), "all jobs are done", trial.much(60, 400))
    trial.all_closed()
    trial.injected = int(trial.scalar(CHORES))
    for name, (memory, descriptors) in zip(WORKERS, before, strict=True):
        now = _held(trial, name)
        if now[0] > memory + MEMORY_MB or now[1] > descriptors + DESCRIPTORS:
            trial.problems.append(f"{name} held {memory:.0f} MB and {descriptors} descriptors, and now {now}")
    trial.over()


def _held(trial: Trial, name: str) -> tuple[float, int]:
    """A process's resident memory in MB and its open descriptors; nothing where no /proc tells."""
    pid = trial.stage.processes[name].pid
    return held(pid) if TOLD else (0.0, 0)


FAULTS: dict[str, Fault] = {
    "another user, no home, dead proxies": on_a_bare_machine,
    "a boot before the database and its tables": boot,
    "three nights without a relay": missed_nights,
    "ten thousand jobs": many_jobs,
}
