"""Who acts, and why, and the audit row that records it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID

from handlers import refusals
from handlers.access.caller import Caller
from handlers.email import addresses
from handlers.errors import Rejected
from portal_db import audit
from portal_db.access import people
from portal_db.database import Database, Tx
from portal_db.states import ActorKind
from portal_db.visibility import Viewer

MAX_REASON = 500
#: The recorded reason of staff, who are not asked for one: they act on their own clients.
IN_THE_PORTAL = "in the portal"
_ADDRESS = re.compile(r"[^\s@]+@[^\s@]+")


@dataclass(frozen=True)
class Actor:
    """Who acts, as the audit trail names them; an operator at the command line may be unnamed."""

    actor_id: UUID | None
    why: str | None = None
    actor: ActorKind = ActorKind.OPERATOR

    @classmethod
    def of(cls, staff_id: UUID | None, why: str | None = None) -> Actor:
        """A staff member, or an unnamed operator if there is no id."""
        return Actor(staff_id, why, ActorKind.STAFF if staff_id else ActorKind.OPERATOR)

    def audit(
        self,
        tx: Tx,
        action: str,
        subject: str,
        subject_id: UUID,
        practice_id: UUID | None,
        *,
        before: str | None = None,
        after: str | None = None,
    ) -> None:
        """Write the audit row; values are states, versions, ids and names of fields."""
        audit.record(
            tx,
            action=action,
            subject=subject,
            subject_id=subject_id,
            practice_id=practice_id,
            actor=self.actor,
            actor_id=self.actor_id,
            before=before,
            after=after,
            why=self.why,
        )


def by_client(login_id: UUID) -> Actor:
    """A client, or a co-owner of their account, by their login."""
    return Actor(login_id, "by the client", ActorKind.SYSTEM)


@dataclass(frozen=True)
class Act(Actor):
    """Who acts, and why: an operator on anything, or a staff member on what they may see."""

    actor_id: UUID
    why: str
    viewer: Viewer | None = None

    @classmethod
    def of_staff(cls, caller: Caller) -> Act:
        """An act of a staff member, who may import."""
        return cls(caller.staff_id, IN_THE_PORTAL, ActorKind.STAFF, caller.viewer)

    @classmethod
    def of_operator(cls, operator_id: UUID, why: str) -> Act:
        """An act of an operator who is signed in.

        Raises:
            RequestRefused: the reason cannot be kept.
        """
        return cls(operator_id, _reason(why))


def act_of(database: Database, who: str, why: str) -> Act:
    """The act of a known operator.

    Args:
        who: the operator's id, or the email of their login.

    Raises:
        RequestRefused: there is no such operator, or the reason cannot be kept.
    """
    reason = _reason(why)
    with database.read() as tx:
        operator = people.get_operator(tx, UUID(who)) if _is_id(who) else people.operator_by_email(tx, _email_key(who))
    if operator is None or operator.left_at is not None:
        raise refusals.UNKNOWN_OPERATOR()
    return Act(operator.id, reason)


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _email_key(text: str) -> str:
    try:
        return addresses.normalise(text)[1]
    except Rejected:
        raise refusals.UNKNOWN_OPERATOR() from None


def _reason(text: str) -> str:
    """One line for the audit trail, which is never erased, so it may not contain an email address."""
    reason = " ".join(text.split())
    if not 0 < len(reason) <= MAX_REASON:
        raise refusals.REASON_LENGTH(max_length=MAX_REASON)
    if _ADDRESS.search(reason):
        raise refusals.REASON_HAS_ADDRESS()
    return reason
