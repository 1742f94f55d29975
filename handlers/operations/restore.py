"""After the database was put back from a backup: everything stands still, and no email that may have left leaves again.

Emails that the backup says are still to be sent may have been sent since: they become unknown, and people resend them or
mark them delivered. So do those of imports that the backup knows and that create their client only now.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from handlers import refusals
from handlers.access.act import Act
from portal_db.database import Database
from portal_db.upkeep import restores

REASON = "The database was put back from a backup."


@dataclass(frozen=True, slots=True)
class Begun:
    """A restore under way; its id is its pause's too. `emails`: how many welcome emails need a person now."""

    restore_id: UUID
    emails: int


def begin(database: Database, act: Act) -> Begun:
    """Pause everything and doubt every email that was not sent, before the first worker starts.

    Raises:
        RequestRefused: a restore is under way.
    """
    with database.write() as tx:
        if restores.unfinished(tx) is not None:
            raise refusals.RESTORE_UNDER_WAY()
        restore_id: UUID = tx.new_id()
        restores.begin(tx, restore_id, act.actor_id, reason=REASON)
        emails = restores.mark_unsent_emails_unknown(tx)
        act.audit(tx, "restore.begin", "restore", restore_id, None)
    return Begun(restore_id, emails)


def finish(database: Database, act: Act) -> UUID:
    """Let work go on.

    Raises:
        RequestRefused: no restore is under way.
    """
    with database.write() as tx:
        row = restores.unfinished(tx)
        if row is None:
            raise refusals.NO_RESTORE()
        restores.finish(tx, row.id)
        act.audit(tx, "restore.finish", "restore", row.id, None)
        return row.id
