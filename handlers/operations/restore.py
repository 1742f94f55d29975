"""After the database was restored from a backup: pauses all work, marks every unsent email as unknown, and signs everybody
out.

An email that is pending in the backup may have been sent since, so people resend it or mark it delivered. The same applies
to imports in the backup that create their client only after the restore. A session or a link in the backup may have been
ended since.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from handlers import refusals
from handlers.access.act import Act
from portal_db.database import Database
from portal_db.upkeep import restores

REASON = "The database was restored from a backup."


@dataclass(frozen=True, slots=True)
class Begun:
    """A restore under way; its pause has the same id. `emails`: how many welcome emails a person must decide about."""

    restore_id: UUID
    emails: int


def begin(database: Database, act: Act) -> Begun:
    """Pause everything, mark every unsent email as unknown and sign everybody out, before the first process starts.

    Raises:
        RequestRefused: a restore is under way.
    """
    with database.write() as tx:
        if restores.unfinished(tx) is not None:
            raise refusals.RESTORE_UNDER_WAY()
        restore_id: UUID = tx.new_id()
        restores.begin(tx, restore_id, act.actor_id, reason=REASON)
        emails = restores.mark_unsent_emails_unknown(tx)
        restores.end_access(tx)
        act.audit(tx, "restore.begin", "restore", restore_id, None)
    return Begun(restore_id, emails)


def finish(database: Database, act: Act) -> UUID:
    """Resume work.

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
