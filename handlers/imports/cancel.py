"""Cancels an import, or the open imports of a batch.

An import ends `cancelled` if nothing was created yet, else `partly_succeeded` (design §2).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from handlers import refusals
from handlers.access.act import Act
from handlers.access.outcomes import Outcomes, for_each
from handlers.errors import RequestRefused
from handlers.imports.reopen import lock_import, require_import
from handlers.imports.settle import settle
from handlers.jobs.kinds import JobKind
from portal_db import welcome_emails
from portal_db.clients import clients
from portal_db.database import Database, Tx, retry_on_deadlock
from portal_db.states import EmailState, ImportState
from portal_db.tables import Import, Job
from portal_db.work import import_list, imports, jobs

EMAIL = JobKind.SEND_WELCOME_EMAIL
#: Imports of a batch cancelled per transaction, and the pause between two, in which heartbeats get through on SQLite.
CHUNK = 25
PAUSE_SECONDS = 0.01


@dataclass(frozen=True)
class Cancelled:
    """The import's new state. `email_goes_out`: its welcome email is being sent and could not be cancelled, so the import
    stays open until that has ended."""

    import_id: UUID
    state: ImportState
    jobs: int
    email_goes_out: bool


@retry_on_deadlock
def cancel(database: Database, act: Act, import_id: UUID) -> Cancelled:
    """Cancel an import's open jobs. A worker that runs one of them finds its lease gone and writes nothing.

    Raises:
        RequestRefused: not found, or not visible to them; closed; or only its email is left, which is being sent.
    """
    with database.write() as tx:
        return _cancel(tx, act, import_id)


def cancel_batch(database: Database, act: Act, batch_id: UUID) -> dict[ImportState, int]:
    """Cancel every open import of a batch, except those that close meanwhile or have only their email left.

    Returns:
        How many were cancelled, by their state afterwards.

    Raises:
        RequestRefused: there is no such batch.
    """
    import_ids = open_of_batch(database, act, batch_id)
    done: Counter[ImportState] = Counter()
    for start in range(0, len(import_ids), CHUNK):
        done += _cancel_chunk(database, act, import_ids[start : start + CHUNK])
        threading.Event().wait(PAUSE_SECONDS)
    return dict(done)


@retry_on_deadlock
def _cancel_chunk(database: Database, act: Act, import_ids: Sequence[UUID]) -> Counter[ImportState]:
    done: Counter[ImportState] = Counter()
    with database.write() as tx:
        imports.lock_all(tx, import_ids)  # in the order in which everybody locks several
        for import_id in import_ids:
            try:
                done[_cancel(tx, act, import_id).state] += 1
            except RequestRefused:  # before it wrote anything
                continue
    return done


def open_of_batch(database: Database, act: Act, batch_id: UUID) -> Sequence[UUID]:
    """The open imports of a batch, last row first: cancelling a row must not let the next one start.

    Raises:
        RequestRefused: there is no such batch.
    """
    with database.read() as tx:
        rows = imports.of_batch(tx, batch_id)
        if not rows or (act.viewer is not None and import_list.batch(tx, act.viewer, batch_id) is None):
            raise refusals.UNKNOWN_BATCH()
    return [row.id for row in reversed(rows) if row.state.is_open]


def require_cancellable(database: Database, import_id: UUID) -> None:
    """Pass if the import exists and is open.

    Raises:
        RequestRefused: there is no such import, or it is closed.
    """
    with database.read() as tx:
        require_open(require_import(imports.get(tx, import_id)))


def cancel_each(database: Database, act: Act, import_ids: Iterable[UUID]) -> Outcomes[Cancelled]:
    """Cancel imports one by one. One that closes meanwhile, or has only its email left, is refused."""
    return for_each(import_ids, lambda import_id, _: cancel(database, act, import_id))


def require_open(row: Import) -> None:
    """Pass if the import is open.

    Raises:
        RequestRefused: the import is closed.
    """
    if not row.state.is_open:
        raise refusals.IMPORT_CLOSED(state=row.state.value.replace("_", " "))


def _cancel(tx: Tx, act: Act, import_id: UUID) -> Cancelled:
    row = lock_import(tx, act, import_id)
    require_open(row)
    open_jobs = jobs.lock_open(tx, row.id)
    sending = _email_is_being_sent(tx, row, open_jobs)
    if sending and all(job.kind == EMAIL for job in open_jobs):
        raise refusals.EMAIL_BEING_SENT()
    cancelled = jobs.cancel_open(tx, row.id, except_kinds=[EMAIL] if sending else [])
    state = settle(tx, row)
    act.audit(tx, "import.cancel", "import", row.id, row.practice_id, before=row.state, after=state)
    return Cancelled(row.id, state, len(cancelled), sending)


def _email_is_being_sent(tx: Tx, row: Import, open_jobs: Sequence[Job]) -> bool:
    """Cancel the welcome email unless it is being sent, or was sent by a job that has not ended yet; returns whether it is.
    An import of further items has no email: the import that created the client has."""
    client = clients.get(tx, row.client_id, practice_id=row.practice_id) if row.client_id is not None else None
    if client is None or client.import_id != row.id:
        return False
    state = welcome_emails.cancel_pending(tx, client.id)
    return state is EmailState.SENDING or (state is EmailState.SENT and any(job.kind == EMAIL for job in open_jobs))
