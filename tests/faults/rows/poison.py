"""Jobs that kill any process that runs them, among harmless ones."""

from __future__ import annotations

from tests.faults.trial import DOOMED, Fault, Trial

_BURIED = "SELECT count(*) FROM jobs WHERE practice_id = :practice AND state = 'dead' AND error_code = 'poison'"


def poisonous(trial: Trial) -> None:
    """Each kills two workers, then its isolated child; the jobs interrupted with it are innocent. Two of them in one set
    may kill their first worker together."""
    doomed = trial.much(1, 3)
    trial.trap("claimed", "validate_import", times=1000, name=DOOMED, again=True)
    trial.ask(doomed=doomed)
    trial.wait(lambda: trial.scalar(_BURIED) == doomed, "the poison is found out")


FAULTS: dict[str, Fault] = {"poison jobs": poisonous}
