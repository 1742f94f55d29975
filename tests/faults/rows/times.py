"""Clocks out of step: a worker's is half a minute off, the database's goes back an hour, a worker is suspended for longer
than its lease."""

from __future__ import annotations

import os
import signal
from functools import partial

from portal_db.tables import Base
from portal_db.types import UtcDateTime
from tests.faults.rows.record import straight
from tests.faults.stage import WORKERS
from tests.faults.trial import Fault, Trial
from worker.local.mail_catcher import Behaviour

_DONE_BY = """
    SELECT count(*) FROM job_attempts a JOIN jobs j ON j.id = a.job_id
    WHERE j.practice_id = :practice AND a.outcome = 'succeeded' AND a.owner LIKE :owner"""

_RAN_AGAIN = """
    SELECT extract(epoch FROM j.started_at) FROM jobs j JOIN job_attempts l ON l.job_id = j.id
    WHERE j.id = CAST(:job AS uuid) AND l.outcome = 'lease_lost' AND j.started_at > l.started_at"""

_PARKED = "SELECT count(*) FROM jobs WHERE practice_id = :practice AND state = 'waiting' AND next_attempt_at > now()"

_AS_IT_IS = """
    SELECT concat_ws(' ', kind, state, lease_owner, 'lease until', lease_until, 'rung', rung_at, 'now', now(), error_code)
    FROM jobs WHERE id = CAST(:job AS uuid)"""


def clocks_off(trial: Trial) -> None:
    """One worker's clock is half a minute ahead, the other's behind. Due times, leases and leaders are judged by the
    database's clock, so this must have no effect."""
    usual = trial.stage.usual
    trial.stage.run(worker_1={**usual, "FAULT_CLOCK": "30"}, worker_2={**usual, "FAULT_CLOCK": "-30"})
    trial.ask()
    trial.under_way()
    trial.over()
    trial.all_closed()
    done = [trial.scalar(_DONE_BY, owner=f"%/{trial.stage.processes[name].pid}/%") for name in WORKERS]
    trial.injected = sum(done) if all(done) else 0
    if trial.lost_leases():
        trial.problems.append("a lease was lost to a clock")


def went_back(trial: Trial) -> None:
    """The database's clock goes back an hour while all processes are restarted: every stored time is an hour ahead of it.
    Jobs are under way, rung and parked, and a relay that is gone leads for another hour. While every email is refused only
    imports without one close, so it is the parked emails that tell that imports are under way."""
    trial.stage.mail.behave(Behaviour(refuse={"*": "451 4.3.0 Later"}))
    trial.ask()
    trial.wait(lambda: trial.scalar(_PARKED) >= trial.imports // 8, "emails are parked, and imports under way")
    trial.count_in_flight()
    for name in (*WORKERS, "relay"):
        trial.signal(name, signal.SIGKILL)
    with straight(trial) as connection, connection.transaction():
        for table in Base.metadata.sorted_tables:
            times = [column.name for column in table.columns if isinstance(column.type, UtcDateTime)]
            if times:
                ahead = ", ".join(f"{name} = {name} + interval '1 hour'" for name in times)
                connection.execute(f"UPDATE {table.name} SET {ahead}")  # noqa: S608 -- our own names
    trial.stage.mail.behave(Behaviour())
    trial.stage.revive()
    trial.over()


def stopped(trial: Trial) -> None:
    """SIGSTOP in the middle of a validation and of an email; SIGCONT once others have its jobs: it must change nothing."""
    for point, kind in (("fetched", "validate_import"), ("sending", "send_welcome_email")):
        trap = trial.trap(point, kind, action="stop")
        trial.ask(trial.imports // 2)
        [mark] = trial.has_fired(trap)
        again = partial(trial.scalar, _RAN_AGAIN, job=mark.job_id)
        if not trial.wait(again, "the stopped worker's job runs elsewhere", 40, revive=False):
            trial.problems.append(f"until then it was: {trial.scalar(_AS_IT_IS, job=mark.job_id)}")
        os.kill(mark.pid, signal.SIGCONT)
        trial.recover_s = max(trial.recover_s or 0.0, float(again() or 0.0) - mark.at)


FAULTS: dict[str, Fault] = {
    "clocks 30 s ahead and behind": clocks_off,
    "the database's clock goes back an hour": went_back,
    "a worker stopped past its lease": stopped,
}
