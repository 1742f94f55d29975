"""Imports and batches: recording requests, locking, resolving, closing. What a state means is decided elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, bindparam, func, or_, select
from sqlalchemy.exc import IntegrityError

from portal_db import audit
from portal_db.database import Tx
from portal_db.dialect import has_row, insert_new, insert_or_ignore, update_rows
from portal_db.states import OPEN_IMPORT_STATES, ImportState
from portal_db.tables import Batch, Client, Import, ImportEvent, Job, Login
from portal_db.types import db_now


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
    return insert_new(tx, Import, values, created_at=db_now(), epoch_started_at=db_now())


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


# Statements that run for every job are built once: building one costs as much as running it.
_JOB_WITH_STATE = (
    select(Job, Import.state).outerjoin(Import, Import.id == Job.import_id).where(Job.id == bindparam("job_id"))
)
_LOCK = select(Import).where(Import.id == bindparam("import_id")).with_for_update()


def job_with_state(tx: Tx, job_id: UUID) -> tuple[Job, ImportState | None] | None:
    """A job and the state of its import; `None` when there is no such job."""
    found = tx.session.execute(_JOB_WITH_STATE, {"job_id": job_id}).one_or_none()
    return (found[0], found[1]) if found is not None else None


def lock(tx: Tx, import_id: UUID) -> Import:
    """Read and lock an import, so that nobody else finishes a job of it until this transaction ends.

    SQLite allows one writer at a time anyway, and ignores the FOR UPDATE.
    """
    return tx.session.scalars(_LOCK, {"import_id": import_id}).one()


def set_state(tx: Tx, row: Import, state: ImportState, outcome: Outcome | None = None) -> bool:
    """Move a locked import to `state`, with an audit entry; a close writes the epoch's only event. False when it is in that
    state already."""
    if row.state == state:
        return False
    closing = state not in OPEN_IMPORT_STATES
    values: dict[str, Any] = {"state": state, "closed_at": db_now() if closing else None}
    if closing:
        values |= {"resolved_at": func.coalesce(Import.resolved_at, db_now()), **_outcome_columns(outcome)}
    update_rows(tx, Import, Import.id == row.id, **values)
    audit.record(
        tx,
        action="import.state",
        subject="import",
        subject_id=row.id,
        practice_id=row.practice_id,
        before=row.state,
        after=state,
        why=outcome.code if outcome else None,
    )
    if closing:
        event = {
            "id": tx.new_id(),
            "practice_id": row.practice_id,
            "import_id": row.id,
            "epoch": row.epoch,
            "state": state,
            "created_at": db_now(),
        }
        insert_or_ignore(tx, ImportEvent, event)
    return True


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


def resolve(tx: Tx, import_id: UUID, email_key: str | None = None) -> None:
    """Mark an import resolved, with its email where it has one: it no longer holds back later rows of its batch."""
    values: dict[str, Any] = {"resolved_at": db_now()}
    if email_key is not None:
        values["email_key"] = email_key
    update_rows(tx, Import, Import.id == import_id, **values)


def set_client(tx: Tx, import_id: UUID, client_id: UUID) -> None:
    update_rows(tx, Import, Import.id == import_id, client_id=client_id)


def reopen(tx: Tx, row: Import) -> int:
    """Start a locked import's next epoch.

    Returns:
        The new epoch.
    """
    epoch = row.epoch + 1
    update_rows(tx, Import, Import.id == row.id, epoch=epoch, epoch_started_at=db_now(), closed_at=None)
    return epoch


def earlier_claim_on_email(tx: Tx, row: Import, email_key: str) -> bool:
    """Whether an earlier row of the same batch needs this email and was not rejected (b.10)."""
    if row.batch_id is None:
        return False
    return has_row(
        tx,
        Import.batch_id == row.batch_id,
        Import.position < row.position,
        Import.email_key == email_key,
        Import.state.not_in((ImportState.REJECTED, ImportState.FAILED, ImportState.CANCELLED)),
    )


def older_open_import_of_record(tx: Tx, row: Import) -> bool:
    """Whether another open import of the same XPM record was requested before this one."""
    return has_row(
        tx,
        Import.practice_id == row.practice_id,
        Import.xpm_uuid == row.xpm_uuid,
        Import.id != row.id,
        Import.state.in_(OPEN_IMPORT_STATES),
        _requested_before(row),
    )


def _requested_before(row: Import) -> ColumnElement[bool]:
    """Within a batch its order decides, otherwise the time of the request; ids break ties, so that one of two is first."""
    by_time = or_(Import.created_at < row.created_at, and_(Import.created_at == row.created_at, Import.id < row.id))
    if row.batch_id is None:
        return by_time
    same_batch = Import.batch_id == row.batch_id
    return or_(
        and_(same_batch, Import.position < row.position), and_(or_(~same_batch, Import.batch_id.is_(None)), by_time)
    )


def listing(
    tx: Tx, *, practice_id: UUID | None = None, states: Sequence[ImportState] = (), limit: int = 50
) -> list[Import]:
    """Up to `limit` imports, newest first; of one practice or all, in some states or all."""
    statement = select(Import).order_by(Import.created_at.desc(), Import.id.desc()).limit(limit)
    if practice_id is not None:
        statement = statement.where(Import.practice_id == practice_id)
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
