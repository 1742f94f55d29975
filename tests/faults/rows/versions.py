"""Old and new releases side by side, as in a deployment: a kind of job that old workers do not know waits for new ones and
delays nothing else, and the old processes work with the tables that the new release has migrated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
from sqlalchemy import text

from portal_db import migrate
from portal_db.states import Lane
from portal_db.work import jobs, pauses
from portal_db.work.jobs import NewJob
from tests.faults.traps import NEW_CHORE, NEW_KIND
from tests.faults.trial import Fault, Trial
from worker.local.processes import LOOPBACK, free_port

_NOTES = f"SELECT count(*) FROM jobs WHERE practice_id = :practice AND kind = '{NEW_KIND}'"  # noqa: S608 -- our own constant
CHORES = f"SELECT count(*) FROM jobs WHERE practice_id = :practice AND kind = '{NEW_CHORE}'"  # noqa: S608
#: Jobs of one practice rung and unfinished at once: fewer than there are jobs of the new kind.
FEW = {"RING_LIMIT": "8"}


def side_by_side(trial: Trial) -> None:
    """One worker is newer and creates jobs that the other does not know. It stops before it has done them all, and only the
    old one is left. Then the deployment is finished."""
    stage = trial.stage
    newer = {**stage.usual, "FAULT_NEW_KIND": "1"}
    stage.run(worker_2=newer)
    with stage.database.write() as tx:
        notes = trial.pause(tx, NEW_KIND)
    trial.ask()
    trial.wait(lambda: trial.scalar(f"{_NOTES} AND state = 'queued'"), "the newer worker makes jobs of the new kind")
    trial.count_in_flight()
    stage.stop_worker("worker-2")
    with stage.database.write() as tx:
        pauses.lift(tx, notes)
    trial.injected = int(trial.scalar(f"{_NOTES} AND state = 'queued'"))
    stage.run(worker_1=newer, worker_2=newer)
    trial.over()
    trial.all_closed()
    if trial.scalar(f"{_NOTES} AND state <> 'succeeded'") or not trial.scalar(_NOTES):
        trial.problems.append("a job of the new kind was not done")


def more_than_the_limit(trial: Trial) -> None:
    """Four times as many jobs of the new kind as a practice may have in flight are older than everything else, and no worker
    knows them. The imports are done all the same. Then a newer worker comes, and the jobs go on."""
    stage = trial.stage
    stage.run(relay={**stage.usual, **FEW})
    with stage.database.write() as tx:
        jobs.add(tx, [chore(trial, number) for number in range(4 * int(FEW["RING_LIMIT"]))])
    trial.injected = int(trial.scalar(f"{CHORES} AND state = 'queued'"))
    trial.ask()
    trial.count_in_flight()
    trial.over(batch=True)
    trial.wait(lambda: not trial.open(), "every import is done although the new kind waits", trial.much(30, 180))
    if trial.scalar(f"{CHORES} AND (rung_at IS NOT NULL OR attempts > 0 OR state <> 'queued')"):
        trial.problems.append("a job was rung, or tried, that no running worker knows")
    stage.run(worker_2={**stage.usual, "FAULT_NEW_KIND": "1"}, relay={**stage.usual, **FEW})
    trial.wait(lambda: not trial.scalar(f"{CHORES} AND state <> 'succeeded'"), "jobs of the new kind go on", 30)


def chore(trial: Trial, number: int) -> NewJob:
    """A job that only a newer worker knows, and that does nothing."""
    own = trial.stage.database.sources.new_id()
    key = f"{trial.practice_id} {number}"
    return NewJob(own, trial.practice_id, None, 1, NEW_CHORE, Lane.IMPORT, False, {}, key, 30)


def migrated_meanwhile(trial: Trial) -> None:
    """The newer release migrates while the old one works. Old web processes stay ready, and old workers and the relay can be
    started again; until a migration says that they cannot work with its tables."""
    stage = trial.stage
    with web(trial) as readyz:
        trial.ask()
        trial.under_way()
        if readyz() != 200:
            trial.problems.append("the web process was not ready before")
        with revision(trial, "9999"):
            trial.injected += 1
            if readyz() != 200:
                trial.problems.append("the old web process went out of service at the migration")
            for name in ("worker-1", "relay"):  # as a supervisor does, or a machine that boots
                stage.processes.stop(name)
            stage.revive()
            trial.over()
            trial.all_closed()
            with breaking(trial, "9999"):
                if readyz() != 503:
                    trial.problems.append("the old web process stayed in service after a breaking migration")


@contextmanager
def web(trial: Trial) -> Iterator[Callable[[], int]]:
    """A web process of the old release."""
    port = free_port()
    trial.stage.start_web(port)
    with httpx.Client(base_url=f"http://{LOOPBACK}:{port}", trust_env=False, timeout=30) as client:
        yield lambda: client.get("/readyz").status_code
    trial.stage.processes.stop("web")


@contextmanager
def revision(trial: Trial, newer: str) -> Iterator[None]:
    """The database as a newer release leaves it: with a table more, and its revision."""
    with trial.stage.database.write() as tx:
        tx.session.execute(text("CREATE TABLE of_a_newer_release (id integer)"))
        tx.session.execute(text("UPDATE alembic_version SET version_num = :newer"), {"newer": newer})
    try:
        yield
    finally:
        with trial.stage.database.write() as tx:
            tx.session.execute(text("DROP TABLE of_a_newer_release"))
            own = {"own": migrate.newest_revision()}
            tx.session.execute(text("UPDATE alembic_version SET version_num = :own"), own)


@contextmanager
def breaking(trial: Trial, newer: str) -> Iterator[None]:
    """The newer migration has taken away what the old release uses."""
    with trial.stage.database.write() as tx:
        tx.session.execute(text("INSERT INTO breaking_revisions VALUES (:newer)"), {"newer": newer})
    try:
        yield
    finally:
        with trial.stage.database.write() as tx:
            tx.session.execute(text("DELETE FROM breaking_revisions"))


FAULTS: dict[str, Fault] = {
    "old and new workers together": side_by_side,
    "a new kind that no worker knows": more_than_the_limit,
    "the newer release has migrated": migrated_meanwhile,
}
