"""Faults while a batch runs in sets: its practice's directory is synced, so no job needs a call of XPM.

In a long run a set holds fifty jobs, in a short one the eighteen of its batch.
"""

from __future__ import annotations

from functools import partial

from tests.faults.rows import kills, poison, stops, times
from tests.faults.trial import Fault, Trial

STATES = {
    "a set: kill -9, claimed": ("claimed", "validate_import"),
    "a set: kill -9, fetched": ("fetched", "create_client"),
    "a set: kill -9 before commit": ("uncommitted", "create_client"),
    "a set: kill -9 after commit": ("committed", "import_details"),
}


def in_sets(trial: Trial, fault: Fault) -> None:
    """Run another fault on a batch that goes through as sets."""
    trial.sync_directory()
    fault(trial)


def rivals(trial: Trial) -> None:
    """Two of a batch's rows want one email, and two batches want another; the worker dies in the middle. Of each two, one is
    imported and the other refused, and none of their neighbours is held up."""
    trial.sync_directory()
    trap = trial.trap("uncommitted", "validate_import")
    trial.ask_rivals()
    trial.has_fired(trap)
    trial.wait(trial.runs_again, "what was cut off runs again", 90)


FAULTS: dict[str, Fault] = {
    **{
        name: partial(in_sets, fault=partial(kills.killed, point=point, kind=kind))
        for name, (point, kind) in STATES.items()
    },
    "a set: a poison job in it": partial(in_sets, fault=poison.poisonous),
    "a set: its lease runs out half way": partial(in_sets, fault=times.stopped),
    "a set: SIGTERM in the middle": partial(in_sets, fault=stops.by_process),
    "a set: rows that want one email": rivals,
}
