"""Discrepancies in the record that reconcile looks for, and the compare-and-set statement that each repair needs.

None of these should ever find anything; each checks an invariant that a restore, a manual edit or a bug could break.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, func, or_, select, update

from portal_db.database import Tx
from portal_db.dialect import has_row
from portal_db.paging import by_id
from portal_db.states import OPEN_JOB_STATES, EmailState, JobState, Lane
from portal_db.tables import Client, Import, Job, ReconnectNotice, WelcomeEmail, XeroLogin, XpmConnection
from portal_db.types import db_now
from portal_db.work.candidates import GROUP_OF, waits_for_quota
from portal_db.work.due import import_is_open, is_due, is_free, is_in, state_of_found, was_parked_ahead
from portal_db.work.jobs import lease_is_void
from portal_db.xero.logins import is_needed

#: A job that is due for longer than this, with nothing holding it back, is overdue.
OVERDUE_SECONDS = 60
#: The relay takes an expired lease back within a second or two.
LEASE_SLACK_SECONDS = 5
#: A login whose tokens nothing uses is kept for a day: somebody may be connecting.
UNUSED_LOGIN_SECONDS = 86_400

_open = state_of_found.in_(OPEN_JOB_STATES)


def imports_without_job(tx: Tx, *, after: UUID | None) -> list[UUID]:
    """A page of the open imports without an open job, in the order of ids."""
    statement = select(Import.id).where(_has_no_job())
    return list(tx.session.scalars(by_id(statement, Import.id, after=after, limit=500)))


def _has_no_job() -> ColumnElement[bool]:
    return and_(import_is_open(), ~exists().where(Job.import_id == Import.id, _open))


def is_without_job(tx: Tx, import_id: UUID) -> bool:
    return has_row(tx, Import.id == import_id, _has_no_job())


@dataclass(frozen=True, slots=True)
class Overdue:
    """A job that should have run long ago. `is_rung`: it was rung recently, so workers are missing."""

    job_id: UUID
    lane: Lane
    is_rung: bool


def overdue(tx: Tx, *, per_group: int) -> list[Overdue]:
    """Due jobs that nothing holds back and that still do not run: the oldest of each practice and lane group.

    In a group where jobs run or wait for the upstream's quota, a job's turn has simply not come yet. Interactive jobs do not
    take turns: one that was not rung for a minute is overdue in any case.
    """
    moving = _moving(tx)
    is_rung = and_(Job.rung_at.is_not(None), Job.rung_at >= db_now(-OVERDUE_SECONDS))
    columns = (Job.id, Job.lane, Job.practice_id, Job.interactive, is_rung.label("is_rung"))
    statement = select(*columns).where(_due_for_long(), ~waits_for_quota(), is_free())
    found: list[Overdue] = []
    counts: dict[tuple[UUID, int], int] = {}
    for job_id, lane, practice_id, interactive, rung in tx.session.execute(statement.order_by(Job.asked_at, Job.id)):
        group = (practice_id, GROUP_OF[lane])
        if (group in moving and not (interactive and not rung)) or counts.get(group, 0) >= per_group:
            continue
        counts[group] = counts.get(group, 0) + 1
        found.append(Overdue(job_id, lane, rung))
    return found


def _moving(tx: Tx) -> set[tuple[UUID, int]]:
    """Practices and lane groups in which a job runs, started within the last minute, or waits for the upstream's quota."""
    runs = and_(is_in(JobState.RUNNING), ~lease_is_void())
    condition = or_(runs, Job.started_at.between(db_now(-OVERDUE_SECONDS), db_now()), waits_for_quota())
    rows = tx.session.execute(select(Job.practice_id, Job.lane).where(condition).distinct())
    return {(practice_id, GROUP_OF.get(lane, -1)) for practice_id, lane in rows}


def _due_for_long() -> ColumnElement[bool]:
    """Whether a job has been due for a minute: neither it nor its import's epoch is younger than that."""
    young_epoch = exists().where(Import.id == Job.import_id, ~_is_long_ago(Import.epoch_started_at))
    return and_(
        is_due(),
        _is_long_ago(Job.created_at),
        _is_long_ago(func.coalesce(Job.started_at, Job.created_at)),
        or_(_is_long_ago(func.coalesce(Job.next_attempt_at, Job.created_at)), was_parked_ahead()),
        ~young_epoch,
    )


def _is_long_ago(moment: Any) -> ColumnElement[bool]:
    """A time that is over for a minute, or that has come before and comes again since the database's clock went back."""
    return or_(moment < db_now(-OVERDUE_SECONDS), moment > db_now())


def expired_leases(tx: Tx) -> list[UUID]:
    """Running jobs whose lease expired, or outlived a clock that went back, and was not taken back."""
    is_void = lease_is_void(slack_seconds=LEASE_SLACK_SECONDS)
    statement = select(Job.id).where(is_in(JobState.RUNNING), is_void)
    return list(tx.session.scalars(statement.order_by(Job.id)))


def finished_or_unknown(tx: Tx, job_ids: Collection[UUID]) -> set[UUID]:
    """The ids among these that do not belong to an open job."""
    return set(job_ids) - set(tx.session.scalars(select(Job.id).where(Job.id.in_(job_ids), _open)))


def unknown_imports(tx: Tx, import_ids: Collection[UUID]) -> set[UUID]:
    """The ids among these that do not belong to an import."""
    return set(import_ids) - set(tx.session.scalars(select(Import.id).where(Import.id.in_(import_ids))))


def abandoned_welcomes(tx: Tx, *, kind: str) -> list[UUID]:
    """Welcome emails in `sending` for whose client's import no job of this kind is open."""
    at_work = exists().where(
        Client.id == WelcomeEmail.client_id, Job.import_id == Client.import_id, Job.kind == kind, _open
    )
    statement = select(WelcomeEmail.id).where(WelcomeEmail.state == EmailState.SENDING, ~at_work)
    return list(tx.session.scalars(statement.order_by(WelcomeEmail.id)))


def abandoned_notices(tx: Tx, *, kind: str) -> list[UUID]:
    """Reconnect notices in `sending` for which no job of this kind is open."""
    sending = tx.session.scalars(select(ReconnectNotice).where(ReconnectNotice.state == EmailState.SENDING)).all()
    keys = {notice.id: f"{kind}:{notice.connection_id}:{notice.number}" for notice in sending}
    at_work = set(tx.session.scalars(select(Job.dedupe_key).where(Job.dedupe_key.in_(keys.values()), _open)))
    return [notice_id for notice_id, key in keys.items() if key not in at_work]


def unused_logins(tx: Tx, *, leaving_kind: str) -> Sequence[XeroLogin]:
    """Xero logins whose tokens nothing needs: no live connection, no pending consent, and no job that will revoke them."""
    statement = select(XeroLogin).where(
        or_(XeroLogin.access_token.is_not(None), XeroLogin.refresh_token.is_not(None)),
        XeroLogin.updated_at < db_now(-UNUSED_LOGIN_SECONDS),
        ~is_needed(XeroLogin.id),
    )
    return [row for row in tx.session.scalars(statement) if not _is_being_disconnected(tx, row.id, leaving_kind)]


def _is_being_disconnected(tx: Tx, login_id: UUID, kind: str) -> bool:
    connections = tx.session.scalars(select(XpmConnection.id).where(XpmConnection.xero_login_id == login_id))
    keys = [f"{kind}:{connection_id}" for connection_id in connections]
    return has_row(tx, Job.dedupe_key.in_(keys), or_(_open, state_of_found == JobState.DEAD))


def mark_rung(tx: Tx, job_ids: Sequence[UUID]) -> list[tuple[Lane, UUID]]:
    """Mark the jobs among these rung that are still due; the caller rings them before it commits."""
    statement: Any = update(Job).where(Job.id.in_(job_ids), is_due(state_of_found)).values(rung_at=db_now())
    statement = statement.returning(Job.lane, Job.id)
    return [(lane, job_id) for lane, job_id in tx.session.execute(statement)]
