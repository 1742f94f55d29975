"""After the database was put back from a backup: everything stands still, and no email that may have left leaves again.

Emails that the backup says are still to be sent may have been sent since: they become unknown, and people resend them or
mark them delivered. So do those of imports that the backup knows and that create their client only now.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from handlers.operators import require_operator
from handlers.requests import RequestRefused
from portal_db import audit, restores
from portal_db.database import Database, Tx
from portal_db.states import ActorKind

REASON = "The database was put back from a backup."


@dataclass(frozen=True, slots=True)
class Begun:
    """A restore under way; its id is its pause's too. `emails`: how many welcome emails need a person now."""

    restore_id: UUID
    emails: int


def begin(database: Database, *, operator_id: UUID, why: str) -> Begun:
    """Pause everything and doubt every email that was not sent, before the first worker starts.

    Raises:
        RequestRefused: no such operator, or a restore is under way.
    """
    with database.write() as tx:
        require_operator(tx, operator_id)
        if restores.unfinished(tx) is not None:
            raise RequestRefused(
                "restore_under_way", "A restore is under way.", "Finish it first: portal-sync restore finish."
            )
        restore_id: UUID = tx.new_id()
        restores.begin(tx, restore_id, operator_id, reason=REASON)
        emails = restores.doubt_emails(tx)
        _audit(tx, "restore.begin", restore_id, operator_id, why)
    return Begun(restore_id, emails)


def finish(database: Database, *, operator_id: UUID) -> UUID:
    """Let work go on.

    Raises:
        RequestRefused: no such operator, or no restore is under way.
    """
    with database.write() as tx:
        require_operator(tx, operator_id)
        row = restores.unfinished(tx)
        if row is None:
            raise RequestRefused("no_restore", "No restore is under way.", "Begin one: portal-sync restore begin.")
        restores.finish(tx, row.id)
        _audit(tx, "restore.finish", row.id, operator_id, None)
        return row.id


def _audit(tx: Tx, action: str, restore_id: UUID, operator_id: UUID, why: str | None) -> None:
    audit.record(
        tx,
        action=action,
        subject="restore",
        subject_id=restore_id,
        practice_id=None,
        actor=ActorKind.OPERATOR,
        actor_id=operator_id,
        why=why,
    )
