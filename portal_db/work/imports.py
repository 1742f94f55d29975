"""Imports and batches: recording requests, locking, resolving, closing. What a state means is decided elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, literal, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import load_only

from portal_db import audit, bulk
from portal_db.aliases import alias_of
from portal_db.bulk import Given, confined, one_of
from portal_db.database import Tx
from portal_db.dialect import insert_new, insert_or_ignore, update_each, update_rows
from portal_db.paging import is_any_time, newest_first
from portal_db.states import OPEN_IMPORT_STATES, ImportState
from portal_db.tables import Batch, Client, Import, ImportEvent, Job, Login, Pause
from portal_db.types import db_now
from portal_db.work import jobs
from portal_db.work.due import import_state_of_found
from portal_db.work.jobs import Lease

_NO_EMAILS: Mapping[UUID, str] = MappingProxyType({})
_FAILED = (ImportState.REJECTED, ImportState.FAILED, ImportState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Why an import ended as it did, for the requester: a stable code, the field, what happened and what to do."""

    code: str
    message: str
    remedy: str | None = None
    field: str | None = None


def add(tx: Tx, row: dict[str, Any]) -> bool:
    """Record a request. False when the practice has used its idempotency key already."""
    return bool(add_all(tx, [row]))


def add_all(tx: Tx, rows: Sequence[dict[str, Any]]) -> set[UUID]:
    """Record requests of the same columns.

    Returns:
        Ids of those whose idempotency key the practice had not used before.
    """
    begun = {"state": ImportState.ACCEPTED, "epoch": 1, "revision": 1}
    values = [{**row, **begun} for row in rows]
    return insert_new(tx, Import, values, now=("created_at", "epoch_started_at"))


def add_batch(tx: Tx, row: dict[str, Any]) -> bool:
    """Record a batch. False when the practice has used its idempotency key already."""
    return insert_or_ignore(tx, Batch, {**row, "created_at": db_now()})


def by_key(tx: Tx, practice_id: UUID, idempotency_key: str) -> Import | None:
    return tx.session.scalar(
        select(Import).where(Import.practice_id == practice_id, Import.idempotency_key == idempotency_key)
    )


def batch_by_key(tx: Tx, practice_id: UUID, idempotency_key: str) -> Batch | None:
    return tx.session.scalar(
        select(Batch).where(Batch.practice_id == practice_id, Batch.idempotency_key == idempotency_key)
    )


def of_batch(tx: Tx, batch_id: UUID) -> list[Import]:
    return list(tx.session.scalars(select(Import).where(Import.batch_id == batch_id).order_by(Import.position)))


def get(tx: Tx, import_id: UUID, *, practice_id: UUID | None = None) -> Import | None:
    """One import; with a practice, only if it belongs to that practice."""
    statement = select(Import).where(Import.id == import_id)
    if practice_id is not None:
        statement = statement.where(Import.practice_id == practice_id)
    return tx.session.scalar(statement)


#: What a job's end and its handler need of an import: the driver describes each column anew each time, and those of whole
#: imports were more than a third of all that one import reads. An object without a column reads it when it is asked for.
_TO_SETTLE = (Import.id, Import.practice_id, Import.kind, Import.state, Import.epoch, Import.epoch_started_at)
_REQUESTED = (
    *(Import.requested_by, Import.batch_id, Import.position, Import.xpm_uuid, Import.created_at),
    *(Import.name, Import.entity_type, Import.email, Import.client_type, Import.subscription),
    *(Import.send_welcome_email, Import.bring_details, Import.bring_relationships),
)
# Statements that run for every job are built once: building one costs more than running it.
_LOCK = select(Import).where(one_of(Import.id, "import_ids")).order_by(Import.id).with_for_update()
_NOT_BEGUN = (
    Import.id.in_(select(Job.import_id).where(one_of(Job.id, "job_ids"))),
    import_state_of_found.in_((ImportState.ACCEPTED, ImportState.WAITING)),
)
_LOCK_NOT_BEGUN = (
    select(Import).where(*_NOT_BEGUN).order_by(Import.id).options(load_only(*_TO_SETTLE)).with_for_update()
)
_LOCK_NOT_BEGUN_COLUMNS = select(*_TO_SETTLE).where(*_NOT_BEGUN).order_by(Import.id).with_for_update()
_MAY_BE_PAUSED = (
    select(literal(1)).where(or_(Pause.practice_id.is_(None), Pause.practice_id == Import.practice_id)).exists()
)
_LOCK_WITH_JOBS = (
    select(Import, Job.id, _MAY_BE_PAUSED)
    .join(Job, Job.import_id == Import.id)
    .where(jobs.IS_UNDER)
    .order_by(Import.id, Job.id)
    .options(load_only(*_TO_SETTLE, *_REQUESTED))
    .with_for_update(of=(Import, Job))
)


def lock(tx: Tx, import_id: UUID) -> Import:
    """`lock_all` for one import, which exists."""
    return lock_all(tx, [import_id])[import_id]


def lock_all(tx: Tx, import_ids: Sequence[UUID]) -> dict[UUID, Import]:
    """Read and lock imports, so that nobody else finishes a job of them until this transaction ends. In the order of ids, so
    that two sets of them cannot wait for each other.

    SQLite allows one writer at a time anyway, and ignores the FOR UPDATE.
    """
    found = tx.session.scalars(_LOCK, {"import_ids": list(import_ids)}) if import_ids else ()
    return {row.id: row for row in found}


def claim_all(
    tx: Tx,
    leases: Sequence[Lease],
    *,
    kinds: Collection[str],
    lease_seconds: float,
    fewer_lost_leases_than: int = jobs.ANY_NUMBER,
) -> tuple[list[Job], list[Import]]:
    """`jobs.claim_all`, after locking those of their imports that have not begun: imports before jobs, as everywhere, so
    that two never wait for each other. PostgreSQL does both by one statement.

    Returns:
        The claimed jobs, and those of their imports that had not begun.
    """
    if not leases:
        return [], []
    if not tx.is_postgresql:
        not_begun = tx.session.scalars(_LOCK_NOT_BEGUN, {"job_ids": [lease.job_id for lease in leases]}).all()
        claimed = jobs.claim_all(
            tx, leases, kinds=kinds, lease_seconds=lease_seconds, fewer_lost_leases_than=fewer_lost_leases_than
        )
        begun = {each.import_id for each in claimed}
        return claimed, [row for row in not_begun if row.id in begun]
    given, same = jobs.claim_values(leases, kinds, lease_seconds, fewer_lost_leases_than)
    same["job_ids"] = [lease.job_id for lease in leases]
    found = {job.id: (job, row) for job, row in bulk.read_for(tx, Job, given, _claim_and_lock, same)}
    rows = {row.id: row for _, row in found.values() if row is not None}
    return [found[lease.job_id][0] for lease in leases if lease.job_id in found], list(rows.values())


def _claim_and_lock(given: Given) -> Any:
    """The imports are locked before the first job is: their number decides whether any job is claimed."""
    locked = _LOCK_NOT_BEGUN_COLUMNS.cte("locked")
    are_locked = select(func.count()).select_from(locked).scalar_subquery() >= 0
    claimed = jobs.claim_statement(given).where(are_locked).cte("claimed")
    job, row = alias_of(Job, claimed), alias_of(Import, locked)
    return (
        select(job, row)
        .outerjoin(row, row.id == job.import_id)
        .options(load_only(*(getattr(row, each.key) for each in _TO_SETTLE)))
    )


@dataclass(frozen=True, slots=True)
class Held:
    """A locked import, one of whose jobs runs under our lease and is locked too. `may_be_paused`: there are pauses that name
    its practice or all of them."""

    row: Import
    may_be_paused: bool


def lock_with_jobs(tx: Tx, leases: Sequence[Lease]) -> dict[UUID, Held]:
    """`lock_all` and `jobs.held` by one statement: each import before its job, in the order of imports' ids.

    Returns:
        What is held, by job; the other leases are lost.
    """
    found = tx.session.execute(_LOCK_WITH_JOBS, jobs.under(leases))
    return {job_id: Held(row, may_be_paused) for row, job_id, may_be_paused in found}


#: A locked import, the state it moves to, and the reason if that closes it.
Move = tuple[Import, ImportState, Outcome | None]


def set_states(tx: Tx, moves: Iterable[Move]) -> list[Move]:
    """Move locked imports of one practice to their states, with audit entries; a close writes the epoch's only event, and
    goes with the next statement of `bulk`, which does not see it yet.

    Returns:
        The moves of imports that were not in that state already.
    """
    made = [move for move in moves if move[0].state != move[1]]
    if not made:
        return []
    closing = [move for move in made if move[1] not in OPEN_IMPORT_STATES]
    opened = {row.id: {"state": state, "closed_at": None} for row, state, _ in made if state in OPEN_IMPORT_STATES}
    closed = [{"id": row.id, "state": state, **_outcome_columns(outcome)} for row, state, outcome in closing]
    why = ((row.id, row.state, state, outcome.code if outcome else None) for row, state, outcome in made)
    events = [
        {"id": tx.new_id(), "practice_id": row.practice_id, "import_id": row.id, "epoch": row.epoch, "state": state}
        for row, state, _ in closing
    ]
    with bulk.together(tx, with_next=bool(closing)):
        update_each(tx, Import, opened)
        audit.record_states(tx, "import.state", "import", made[0][0].practice_id, why)
        if closing:
            bulk.write(tx, Import, closed, _close)
            bulk.write(tx, ImportEvent, events, _note_close)
    return made


def _close(given: Given) -> Any:
    times = {"closed_at": db_now(), "resolved_at": func.coalesce(Import.resolved_at, db_now())}
    return given.update(given.columns | times)


def _note_close(given: Given) -> Any:
    return given.insert({**given.columns, "created_at": db_now()}).on_conflict_do_nothing()


def set_reason(tx: Tx, row: Import, outcome: Outcome | None) -> None:
    """Change the reason of a closed import that stays in its state."""
    update_rows(tx, Import, Import.id == row.id, **_outcome_columns(outcome))


def _outcome_columns(outcome: Outcome | None) -> dict[str, Any]:
    return {
        "outcome_code": outcome.code if outcome else None,
        "outcome_field": outcome.field if outcome else None,
        "outcome_message": outcome.message[:1000] if outcome else None,
        "outcome_remedy": outcome.remedy if outcome else None,
    }


def resolve(tx: Tx, import_ids: Collection[UUID], email_keys: Mapping[UUID, str] = _NO_EMAILS) -> None:
    """Mark imports resolved, with their emails where they have one: they no longer hold back later rows of their batches."""
    emails = {import_id: {"email_key": key} for import_id, key in email_keys.items()}
    update_each(tx, Import, emails, now=("resolved_at",))
    others = import_ids - email_keys.keys()
    if others:
        update_rows(tx, Import, Import.id.in_(others), resolved_at=db_now())


def set_clients(tx: Tx, client_ids: Mapping[UUID, UUID]) -> None:
    """Record the clients that imports created, by import."""
    update_each(tx, Import, {import_id: {"client_id": client_id} for import_id, client_id in client_ids.items()})


def reopen(tx: Tx, row: Import) -> int:
    """Start a locked import's next epoch.

    Returns:
        The new epoch.
    """
    epoch = row.epoch + 1
    update_rows(tx, Import, Import.id == row.id, epoch=epoch, epoch_started_at=db_now(), closed_at=None)
    return epoch


def earlier_claims_on_emails(tx: Tx, email_keys: Mapping[UUID, str], rows: Mapping[UUID, Import]) -> set[UUID]:
    """Those of these imports whose email an earlier row of the same batch needs and was not rejected (b.10).

    Args:
        email_keys: the emails that imports need, by import.
        rows: the imports, by id; of one practice.
    """
    practices = {row.practice_id for row in rows.values() if row.batch_id is not None}
    if not practices or not email_keys:
        return set()
    [practice_id] = practices
    values = {"practice_id": practice_id, "email_keys": list(set(email_keys.values()))}
    first: dict[tuple[UUID | None, str | None], int | None] = {
        (batch_id, email_key): position
        for batch_id, email_key, position in tx.connection.execute(_FIRST_CLAIMS, values)
    }

    def is_claimed(row: Import, email_key: str) -> bool:
        position = first.get((row.batch_id, email_key))
        return position is not None and row.position is not None and position < row.position

    return {import_id for import_id, email_key in email_keys.items() if is_claimed(rows[import_id], email_key)}


_FIRST_CLAIMS = (
    select(Import.batch_id, Import.email_key, func.min(Import.position))
    .where(
        one_of(Import.email_key, "email_keys"),
        confined(Import.practice_id, bindparam("practice_id")),
        Import.state.not_in(_FAILED),
    )
    .group_by(Import.batch_id, Import.email_key)
)


def listing(
    tx: Tx, *, practice_id: UUID | None = None, states: Sequence[ImportState] = (), limit: int = 50
) -> list[Import]:
    """Up to `limit` imports, newest first; of one practice or all, in some states or all."""
    statement = newest_first(select(Import), Import.created_at, Import.id, after=None, limit=limit)
    if practice_id is not None:
        statement = statement.where(Import.practice_id == practice_id, is_any_time(Import.created_at))
    if states:
        statement = statement.where(Import.state.in_(states))
    return list(tx.session.scalars(statement))


def set_inputs(tx: Tx, import_id: UUID, values: dict[str, Any]) -> None:
    """Change what a locked import requests. The email it would have taken before no longer counts."""
    update_rows(tx, Import, Import.id == import_id, **{"email_key": None, **values})


def login_of(tx: Tx, client_id: UUID) -> Login | None:
    """A client's login, locked until this transaction ends."""
    statement = select(Login).join(Client, Client.login_id == Login.id).where(Client.id == client_id)
    return tx.session.scalar(statement.with_for_update(of=Login))


def change_email(tx: Tx, login_id: UUID, email: str, email_key: str) -> bool:
    """Change a login's email. False when any login on the platform has it: the unique index decides (b.2)."""
    try:
        with tx.session.begin_nested():
            update_rows(tx, Login, Login.id == login_id, email=email, email_key=email_key)
    except IntegrityError:
        return False
    return True
