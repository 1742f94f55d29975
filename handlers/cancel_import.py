"""Cancels an import: before anything was created it ends `cancelled`, after that `partly_succeeded` (design §2)."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from handlers.acting import Act, require_import
from handlers.requests import RequestRefused
from handlers.settle import settle
from portal_db import dead_letters, email_decisions, imports, jobs
from portal_db.database import Database, Tx
from portal_db.states import EmailState, ImportState
from portal_db.tables import Import

EMAIL = "send_welcome_email"


@dataclass(frozen=True)
class Cancelled:
    """What became of it. `email_goes_out`: its welcome email is being sent and could not be cancelled, so that the import
    stays open until that has ended."""

    import_id: UUID
    state: ImportState
    jobs: int
    email_goes_out: bool


def cancel(database: Database, act: Act, import_id: UUID) -> Cancelled:
    """Cancel what an import has not done yet. Whoever runs a job of it finds the lease gone and writes nothing.

    Raises:
        RequestRefused: there is none such, it is closed, or all that is left is an email that is being sent.
    """
    with database.write() as tx:
        row = require_import(imports.get(tx, import_id))
        row = imports.lock(tx, row.id)
        require_open(row)
        open_jobs = dead_letters.lock_open(tx, row.id)
        sending = _email_is_being_sent(tx, row)
        if sending and all(job.kind == EMAIL for job in open_jobs):
            raise RequestRefused(
                "email_being_sent",
                "All that is left of this import is its welcome email, which is being sent and cannot be called back.",
                "Wait for it to end.",
                field="import_id",
            )
        cancelled = jobs.cancel_open(tx, row.id, except_kinds=[EMAIL] if sending else [])
        state = settle(tx, row)
        act.audit(tx, "import.cancel", "import", row.id, row.practice_id, before=row.state, after=state)
    return Cancelled(row.id, state, len(cancelled), sending)


def require_open(row: Import) -> None:
    """Pass if the import is open.

    Raises:
        RequestRefused: the import is closed.
    """
    if not row.state.is_open:
        words = row.state.value.replace("_", " ")
        raise RequestRefused(
            "import_closed",
            f"This import is closed already: {words}.",
            "What it created stays. Dead letters of it are taken out with `portal-sync dead dismiss`.",
            field="import_id",
        )


def _email_is_being_sent(tx: Tx, row: Import) -> bool:
    """Call the email off if it is not begun; whether it was too late for that."""
    return row.client_id is not None and email_decisions.call_off(tx, row.client_id) is EmailState.SENDING
