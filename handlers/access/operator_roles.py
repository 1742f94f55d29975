"""Which role may do what at the console: one table. Looking needs no act; every operator may look."""

from __future__ import annotations

from enum import StrEnum

from handlers import refusals
from portal_db.states import OperatorRole


class OpsAct(StrEnum):
    """Something that an operator does at the console."""

    #: Show personal data that is hidden.
    REVEAL = "reveal"
    REQUEUE = "requeue"
    DISMISS = "dismiss"
    #: Start, stop or resume an act on many dead letters.
    BULK = "bulk"
    AMEND = "amend"
    CANCEL = "cancel"
    #: Decide about an email whose outcome is unknown.
    DECIDE_EMAIL = "decide_email"
    #: Pause or resume a practice, a lane or a kind.
    PAUSE = "pause"
    PAUSE_EVERYTHING = "pause_everything"
    #: Run, pause or resume a schedule.
    SCHEDULE = "schedule"
    #: Accept that records are missing from a directory.
    ACCEPT_MISSING = "accept_missing"
    FORGET_MESSAGE = "forget_message"


ROLE_OF: dict[OpsAct, OperatorRole] = {
    OpsAct.REVEAL: OperatorRole.OPERATOR,
    OpsAct.REQUEUE: OperatorRole.OPERATOR,
    OpsAct.DISMISS: OperatorRole.OPERATOR,
    OpsAct.BULK: OperatorRole.OPERATOR,
    OpsAct.AMEND: OperatorRole.OPERATOR,
    OpsAct.CANCEL: OperatorRole.OPERATOR,
    OpsAct.DECIDE_EMAIL: OperatorRole.OPERATOR,
    OpsAct.PAUSE: OperatorRole.OPERATOR,
    OpsAct.SCHEDULE: OperatorRole.OPERATOR,
    OpsAct.PAUSE_EVERYTHING: OperatorRole.ADMIN,
    OpsAct.ACCEPT_MISSING: OperatorRole.ADMIN,
    OpsAct.FORGET_MESSAGE: OperatorRole.ADMIN,
}
#: Each may do what those before it may.
RANKS = (OperatorRole.WATCHER, OperatorRole.OPERATOR, OperatorRole.ADMIN)


def may(role: str, act: OpsAct) -> bool:
    """Whether a role may do this. A role that only another release knows may only look."""
    return role in RANKS and RANKS.index(OperatorRole(role)) >= RANKS.index(ROLE_OF[act])


def require(role: str, act: OpsAct) -> None:
    """Pass if a role may do this.

    Raises:
        RequestRefused: it may not.
    """
    if not may(role, act):
        raise refusals.ROLE_TOO_LOW(role=ROLE_OF[act].value)
