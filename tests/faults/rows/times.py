"""A worker out of step: its clock is half a minute off, or it is suspended for longer than its lease and then continues."""

from __future__ import annotations

import os
import signal
from functools import partial

from tests.faults.stage import WORKERS
from tests.faults.trial import Fault, Trial

_DONE_BY = """
    SELECT count(*) FROM job_attempts a JOIN jobs j ON j.id = a.job_id
    WHERE j.practice_id = :practice AND a.outcome = 'succeeded' AND a.owner LIKE :owner"""

_RAN_AGAIN = """
    SELECT extract(epoch FROM j.started_at) FROM jobs j JOIN job_attempts l ON l.job_id = j.id
    WHERE j.id = CAST(:job AS uuid) AND l.outcome = 'lease_lost' AND j.started_at > l.started_at"""


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
    trial.wait(lambda: not trial.open(), "every import is closed", trial.much(60, 180))
    done = [trial.scalar(_DONE_BY, owner=f"%/{trial.stage.processes[name].pid}/%") for name in WORKERS]
    trial.injected = sum(done) if all(done) else 0
    if trial.lost_leases():
        trial.problems.append("a lease was lost to a clock")


def stopped(trial: Trial) -> None:
    """SIGSTOP in the middle of a creation and of an email; SIGCONT once others have its jobs: it must change nothing."""
    for point, kind in (("fetched", "create_client"), ("sending", "send_welcome_email")):
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
    "a worker stopped past its lease": stopped,
}
