"""Old and new workers side by side, as in a deployment: a kind of job that the old ones do not know waits for the new."""

from __future__ import annotations

from tests.faults.traps import NEW_KIND
from tests.faults.trial import Fault, Trial

_NOTES = f"SELECT count(*) FROM jobs WHERE practice_id = :practice AND kind = '{NEW_KIND}'"  # noqa: S608 -- our own constant


def side_by_side(trial: Trial) -> None:
    """One worker is newer and creates jobs that the other does not know. It stops, and only the old one is left. Then the
    deployment is finished."""
    stage = trial.stage
    newer = {**stage.usual, "FAULT_NEW_KIND": "1"}
    stage.run(worker_2=newer)
    trial.ask()
    trial.wait(lambda: trial.scalar(f"{_NOTES} AND state = 'queued'"), "the newer worker makes jobs of the new kind")
    trial.count_in_flight()
    stage.stop_worker("worker-2")
    trial.injected = int(trial.scalar(f"{_NOTES} AND state = 'queued'"))
    stage.run(worker_1=newer, worker_2=newer)
    trial.over()
    trial.wait(lambda: not trial.open(), "every import is closed", trial.much(60, 180))
    if trial.scalar(f"{_NOTES} AND state <> 'succeeded'") or not trial.scalar(_NOTES):
        trial.problems.append("a job of the new kind was not done")


FAULTS: dict[str, Fault] = {"old and new workers together": side_by_side}
