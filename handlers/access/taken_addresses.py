"""How many addresses a practice may learn of in a day that a login elsewhere in the portal has them.

Logins are unique across all firms, so whoever creates one learns whether the address is free. A firm meets few that are not;
who tries out addresses meets many. When the day's budget is used up, nothing that would answer goes on until it is over: not
for free addresses either, or the wait would be the answer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from uuid import UUID

from handlers import refusals
from handlers.email import addresses
from handlers.errors import Deferred, RequestRefused
from portal_db import audit
from portal_db.access import daily_counts
from portal_db.database import Database, Tx
from portal_db.work import lookahead

BUDGET = 500
_WHAT = "taken_elsewhere"


def require_room_for_jobs(tx: Tx, practice_id: UUID) -> None:
    """Pass if jobs that create logins may run.

    Raises:
        Deferred: the day's budget is used up.
    """
    today = daily_counts.read(tx, practice_id, _WHAT)
    if today.used >= BUDGET:
        raise Deferred(
            "too_many_taken",
            "Waiting because too many of the practice's email addresses were already in use in the portal today",
            wait_seconds=today.seconds_left,
        )


@contextmanager
def counted(database: Database, practice_id: UUID | None, email: str | None) -> Iterator[None]:
    """Let somebody give this address to a login in the block, within the practice's budget.

    Args:
        practice_id: `None` for an operator, who has no budget.

    Raises:
        RequestRefused: the day's budget is used up.
    """
    if practice_id is None or email is None:
        yield
        return
    with database.read() as tx:
        today = daily_counts.read(tx, practice_id, _WHAT)
    if today.used >= BUDGET:
        raise refusals.EMAILS_TRIED().after(today.seconds_left)
    try:
        yield
    except RequestRefused as refused:
        if refused.code == refusals.LOGIN_EMAIL_TAKEN.code:
            with database.write() as tx:
                count(tx, practice_id, [addresses.normalise_requested(email)[1]])
        raise


def count(tx: Tx, practice_id: UUID, email_keys: Collection[str]) -> None:
    """Count the addresses among these, which logins have, that are not the practice's own."""
    own = lookahead.emails_of_practice(tx, practice_id, email_keys) if email_keys else set()
    elsewhere = sum(key not in own for key in email_keys)
    if elsewhere:
        used = daily_counts.add(tx, practice_id, _WHAT, elsewhere)
        audit.record(
            tx,
            action="email.taken_elsewhere",
            subject="practice",
            subject_id=practice_id,
            practice_id=practice_id,
            after=f"{used} in a day",
        )
