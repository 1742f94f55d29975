"""Jobs that kill any process that runs them, among harmless ones."""

from __future__ import annotations

from tests.faults.trial import DOOMED, Fault, Trial


def poisonous(trial: Trial) -> None:
    """Each kills two workers, then its isolated child; the jobs interrupted with it are innocent."""
    trap = trial.trap("claimed", "validate_import", times=1000, name=DOOMED, again=True)
    trial.ask(doomed=trial.much(1, 3))
    trial.has_fired(trap, 3 * trial.much(1, 3))


FAULTS: dict[str, Fault] = {"poison jobs": poisonous}
