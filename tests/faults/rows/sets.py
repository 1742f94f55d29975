"""Faults while a batch runs in sets: its practice's directory is synced, so no job needs a call of XPM.

In a long run a set holds fifty jobs, in a short one the eighteen of its batch.
"""

from __future__ import annotations

from functools import partial

from tests.faults.rows import kills, mailing, poison, stops, times
from tests.faults.trial import Fault, Trial
from worker.local.mail_catcher import Behaviour

STATES = {
    "a set: kill -9, claimed": ("claimed", "validate_import"),
    "a set: kill -9, fetched": ("fetched", "validate_import"),
    "a set: kill -9 before commit": ("uncommitted", "create_client"),
    "a set: kill -9 after commit": ("committed", "create_client"),
}

#: The steps of a chain of emails: its worker dies there with the others of the set claimed.
EMAIL_STATES = {
    "a chain of emails: kill -9, claimed": "claimed",
    "a chain of emails: kill -9, written": "fetched",
    "a chain of emails: kill -9 before SMTP accepts": "sending",
    "a chain of emails: kill -9 after SMTP accepted": "sent",
    "a chain of emails: kill -9, one ends and the next begins": "uncommitted",
    "a chain of emails: kill -9, the next has begun": "begun",
}
#: Of each worker (`tests.faults.entry`).
THREADS = 4


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


def killed_in_chain(trial: Trial, point: str) -> None:
    """Kill a worker while it sends a set of emails: at most one of each thread is of unknown outcome."""
    trial.sync_directory()
    kills.killed(trial, point, "send_welcome_email")
    trial.all_closed()
    unknown = "SELECT count(*) FROM welcome_emails WHERE practice_id = :practice AND state = 'unknown'"
    if trial.scalar(unknown) > THREADS * trial.injected:
        trial.problems.append("more than one email of a thread is unknown")


def stopped_in_chain(trial: Trial) -> None:
    """Stop a worker while it sends an email of a set; the email is sent, and the rest goes back."""
    trial.sync_directory()
    trap = trial.trap("sending", "send_welcome_email", action="hold", seconds=1)
    trial.ask()
    process = trial.stage.named(trial.has_fired(trap)[0].pid)
    assert process is not None
    stops.stopped(trial, process.name, stops.terminate)
    trial.stage.revive()
    trial.over()
    stops.no_lease_was_lost(trial)


FAULTS: dict[str, Fault] = {
    **{
        name: partial(in_sets, fault=partial(kills.killed, point=point, kind=kind))
        for name, (point, kind) in STATES.items()
    },
    "a set: a poison job in it": partial(in_sets, fault=poison.poisonous),
    "a set: its lease runs out half way": partial(in_sets, fault=times.stopped),
    "a set: SIGTERM in the middle": partial(in_sets, fault=stops.by_process),
    "a set: rows that want one email": rivals,
    **{name: partial(killed_in_chain, point=point) for name, point in EMAIL_STATES.items()},
    "a chain of emails: SMTP refuses for a while": partial(
        in_sets,
        fault=partial(mailing.misbehaving, behaviour=Behaviour(refuse={"*": "451 4.3.0 Later"}), quick=6, long=60),
    ),
    "a chain of emails: SIGTERM in the middle": stopped_in_chain,
}
