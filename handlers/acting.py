"""People at work on imports and jobs: who acts and why, what they may act on, the audit row of it, and the import's state
after a job of it was changed by hand."""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID

from handlers import addresses
from handlers.callers import Caller
from handlers.errors import Rejected
from handlers.looking import unknown_import
from handlers.requests import RequestRefused
from handlers.settle import settle, verdict
from portal_db import audit, import_list, imports, jobs, operators
from portal_db.database import Database, Tx
from portal_db.sight import Viewer
from portal_db.states import ActorKind, ImportState
from portal_db.tables import Import, Job

MAX_REASON = 500
#: Why staff act: they are not asked, since what they act on is theirs.
IN_THE_PORTAL = "in the portal"
_ADDRESS = re.compile(r"[^\s@]+@[^\s@]+")


@dataclass(frozen=True)
class Act:
    """Who acts, and why: an operator on anything, or a staff member on what is in their `sight`."""

    actor_id: UUID
    why: str
    actor: ActorKind = ActorKind.OPERATOR
    sight: Viewer | None = None

    @classmethod
    def of_staff(cls, caller: Caller) -> Act:
        """An act of a staff member, who may import."""
        return cls(caller.staff_id, IN_THE_PORTAL, ActorKind.STAFF, caller.sight)

    def lock_import(self, tx: Tx, import_id: UUID | None) -> Import:
        """An import that they may act on, kept as it is until this transaction ends.

        Raises:
            RequestRefused: there is none such for them.
        """
        if self.sight is None:
            row = require_import(imports.get(tx, import_id) if import_id is not None else None)
        else:
            found = import_list.get(tx, self.sight, import_id) if import_id is not None else None
            if found is None:
                raise unknown_import()
            row = found
        return imports.lock(tx, row.id)

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
        """Leave the row that says so; values are states, versions, ids and names of fields."""
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


def act_of(database: Database, who: str, why: str) -> Act:
    """An act of a known operator.

    Args:
        who: the operator's id, or the email of their login.

    Raises:
        RequestRefused: nobody such, or a reason that cannot be kept.
    """
    reason = _reason(why)
    with database.read() as tx:
        operator = operators.get(tx, UUID(who)) if _is_id(who) else operators.by_email(tx, _email_key(who))
    if operator is None:
        raise _unknown_operator()
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
        raise _unknown_operator() from None


def _unknown_operator() -> RequestRefused:
    return RequestRefused(
        "unknown_operator",
        "There is no such operator.",
        "Give the id or the email of one; portal-sync operator add makes one.",
        field="operator",
    )


def _reason(text: str) -> str:
    """One line that may stay in the audit trail for good: it outlives a privacy request, so no address may be in it."""
    reason = " ".join(text.split())
    if not 0 < len(reason) <= MAX_REASON:
        raise RequestRefused(
            "bad_request", f"A reason has 1 to {MAX_REASON} characters.", "Say why in a sentence.", field="reason"
        )
    if _ADDRESS.search(reason):
        raise RequestRefused(
            "bad_request",
            "A reason stays in the audit trail, which holds no personal data.",
            "Leave the email address out; name a ticket instead.",
            field="reason",
        )
    return reason


def locked(tx: Tx, job_id: UUID) -> tuple[Job, Import | None]:
    """A job as it stands, its import locked first, as everybody does it who changes a job.

    Raises:
        RequestRefused: there is no such job.
    """
    job = jobs.get(tx, job_id)
    if job is None:
        raise unknown_job()
    if job.import_id is None:
        return job, None
    row = imports.lock(tx, job.import_id)
    return jobs.get(tx, job_id) or job, row


def unknown_job() -> RequestRefused:
    return RequestRefused(
        "unknown_job",
        "There is no job of this id.",
        "See `portal-sync jobs list` and `portal-sync dead list`.",
        field="job_id",
    )


def require_import(row: Import | None) -> Import:
    """An import that was looked for.

    Raises:
        RequestRefused: there is none.
    """
    if row is None:
        raise RequestRefused(
            "unknown_import",
            "There is no import of this id.",
            "See `portal-sync imports list`.",
            field="import_id",
        )
    return row


def reopened(tx: Tx, act: Act, row: Import) -> Import:
    """A locked import in an epoch that is open: the next one if it was closed.

    Returns:
        The row as it now is: `set_state` writes the event of the epoch it finds there.
    """
    if row.state.is_open:
        return row
    epoch = imports.reopen(tx, row)
    act.audit(
        tx, "import.reopen", "import", row.id, row.practice_id, before=f"epoch {row.epoch}", after=f"epoch {epoch}"
    )
    return imports.lock(tx, row.id)


def settle_by_hand(tx: Tx, act: Act, row: Import) -> ImportState:
    """Bring a locked import's state in line after a dead letter of it was taken out.

    An epoch closes once: another closed state is the close of a new epoch, the same one only gets its reason renewed.
    """
    state, outcome = verdict(tx, row)
    if state is row.state and not state.is_open:
        imports.set_reason(tx, row, outcome)
        return state
    return settle(tx, reopened(tx, act, row))
