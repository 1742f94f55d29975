"""The mail server fails: it answers "try later", never answers, or accepts a message and drops the connection.

The catcher's log shows how often it did so and what it kept nevertheless. Only if there is no answer after a whole message
is the outcome unknown: those emails must be marked unknown, shown, and never sent again. A server that confirms nothing
counts as away after a few, and the others wait.
"""

from __future__ import annotations

from functools import partial

from tests.faults.trial import Fault, Trial
from worker.local.mail_catcher import Behaviour


def misbehaving(trial: Trial, behaviour: Behaviour, *, quick: int, long: int) -> None:
    """The mail server fails in this way a number of times, then works again."""
    mail = trial.stage.mail
    before = len(mail.mailbox.misdeeds())
    mail.behave(behaviour)
    trial.ask()
    wanted = before + trial.much(quick, long)
    trial.wait(lambda: len(mail.mailbox.misdeeds()) >= wanted, "the mail server misbehaves")
    trial.count_in_flight()
    mail.behave(Behaviour())
    trial.over()
    trial.all_closed()
    trial.injected = len(mail.mailbox.misdeeds()) - before
    silent = trial.injected if behaviour.silence else 0
    if (
        trial.scalar("SELECT count(*) FROM welcome_emails WHERE practice_id = :practice AND state = 'unknown'")
        != silent
    ):
        trial.problems.append(f"{silent} emails were met with silence, and another number is unknown")


FAULTS: dict[str, Fault] = {
    "SMTP refuses for a while": partial(
        misbehaving, behaviour=Behaviour(refuse={"*": "451 4.3.0 Later"}), quick=6, long=60
    ),
    "SMTP hangs": partial(misbehaving, behaviour=Behaviour(silence="hang", keep_silenced=False), quick=2, long=6),
    "SMTP accepts, then drops": partial(misbehaving, behaviour=Behaviour(silence="drop"), quick=3, long=6),
}
