"""Mandating multi-factor authentication for all staff and clients of a practice, which Xero requires before XPM connects.

Once on, it stays on for the practice: switching it off is for those who run the platform (facts on the portal §6).
"""

from __future__ import annotations

from handlers.callers import Caller
from handlers.requests import RequestRefused
from portal_db import audit, people
from portal_db.database import Database
from portal_db.states import ActorKind


def mandate(database: Database, caller: Caller) -> None:
    """Mandate it; where it is mandatory already, nothing changes.

    Raises:
        RequestRefused: the caller does not look after the practice.
    """
    if not caller.role.may_manage:
        raise RequestRefused(
            "not_allowed",
            "Only owners and account admins can mandate multi-factor authentication.",
            "Ask an owner or account admin.",
        )
    with database.write() as tx:
        practice = people.get_practice(tx, caller.practice_id)
        if practice is None or practice.mfa_mandatory:
            return
        people.set_practice(tx, caller.practice_id, {"mfa_mandatory": True})
        audit.record(
            tx,
            action="practice.set",
            subject="practice",
            subject_id=caller.practice_id,
            practice_id=caller.practice_id,
            actor=ActorKind.STAFF,
            actor_id=caller.staff_id,
            before="mfa_mandatory=False",
            after="mfa_mandatory=True",
        )
