"""The facts behind what holds a job: who is before it in its batch, how full its practice is, whether a relay leads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, func, select

from portal_db.database import Tx
from portal_db.states import OPEN_IMPORT_STATES, JobState, Lane
from portal_db.tables import Client, Import, Job, Leader, ReconnectNotice, XpmConnection, XpmLink
from portal_db.types import db_now
from portal_db.work import ringing
from portal_db.work.due import is_due, is_out_of_turn, is_paused
from portal_db.work.ringing import LANE_GROUPS, QUOTA_CODE


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a batch that is not resolved yet."""

    import_id: UUID
    #: From 0.
    position: int
    state: str


def rows_before(tx: Tx, job: Job) -> tuple[int, Row] | None:
    """How many earlier rows of its batch hold a job back (b.10), and the first of them; `None` when none does."""
    held = select(Job.id).where(Job.id == job.id, is_out_of_turn())
    mine = tx.session.get(Import, job.import_id) if job.import_id is not None else None
    if tx.session.scalar(held) is None or mine is None or mine.batch_id is None:
        return None
    earlier = and_(Import.batch_id == mine.batch_id, Import.position < mine.position, Import.resolved_at.is_(None))
    number = tx.session.scalar(select(func.count()).select_from(Import).where(earlier)) or 0
    first = tx.session.execute(select(Import).where(earlier).order_by(Import.position).limit(1)).scalar_one()
    return number, Row(first.id, first.position or 0, first.state.value)


def in_flight(tx: Tx, job: Job) -> tuple[Sequence[Lane], int] | None:
    """The lanes whose ring limit a job shares, and how many jobs of its practice are rung or running there; `None` for
    jobs that no limit holds."""
    lanes = next((group for group in LANE_GROUPS if job.lane in group), None)
    if job.interactive or lanes is None:
        return None
    return lanes, ringing.in_flight(tx, job.practice_id, lanes)


def ahead_of(tx: Tx, job: Job, lanes: Sequence[Lane]) -> int:
    """How many due jobs of the same practice and lanes are rung before this one."""
    statement = select(func.count()).where(
        Job.practice_id == job.practice_id,
        Job.lane.in_(lanes),
        ~Job.interactive,
        Job.id != job.id,
        is_due(),
        ~is_paused(),
        ~is_out_of_turn(),
        ringing.before(job),
    )
    return tx.session.scalar(statement) or 0


def put_off_like(tx: Tx, job: Job) -> Job | None:
    """A job of the same practice, lane and kind that the upstream's quota has put off: the relay holds this one with it,
    so that it does not overtake."""
    statement = select(Job).where(
        Job.practice_id == job.practice_id,
        Job.interactive == job.interactive,
        Job.lane == job.lane,
        Job.kind == job.kind,
        Job.state == JobState.WAITING,
        Job.error_code == QUOTA_CODE,
    )
    return tx.session.scalar(statement.order_by(Job.next_attempt_at, Job.id).limit(1))


def leader(tx: Tx, role: str) -> tuple[str, datetime] | None:
    """Who holds a role now, and until when; `None` while nobody does."""
    statement = select(Leader.owner, Leader.until).where(Leader.role == role, Leader.until > db_now())
    found = tx.session.execute(statement).one_or_none()
    return (found[0], found[1]) if found is not None else None


@dataclass(frozen=True, slots=True)
class LinkedClient:
    """The client that an XPM record is linked to, since when, and the import that made it."""

    client_id: UUID
    linked_at: datetime
    import_id: UUID | None


def linked_client(tx: Tx, practice_id: UUID, xpm_uuid: UUID) -> LinkedClient | None:
    statement = (
        select(XpmLink.client_id, XpmLink.linked_at, Client.import_id)
        .join(Client, Client.id == XpmLink.client_id)
        .where(XpmLink.practice_id == practice_id, XpmLink.xpm_uuid == xpm_uuid, XpmLink.disconnected_at.is_(None))
    )
    found = tx.session.execute(statement).one_or_none()
    return LinkedClient(*found) if found is not None else None


def open_import_of_record(tx: Tx, row: Import) -> Import | None:
    """Another open import of the same XPM record."""
    statement = select(Import).where(
        Import.practice_id == row.practice_id,
        Import.xpm_uuid == row.xpm_uuid,
        Import.id != row.id,
        Import.state.in_(OPEN_IMPORT_STATES),
    )
    return tx.session.scalar(statement.order_by(Import.created_at, Import.id).limit(1))


def later_job(tx: Tx, job: Job) -> Job | None:
    """A later job of the same import and kind that is open or was done."""
    statement = select(Job).where(
        Job.import_id == job.import_id,
        Job.kind == job.kind,
        Job.id != job.id,
        Job.created_at >= job.created_at,
        Job.state.in_((JobState.QUEUED, JobState.RUNNING, JobState.WAITING, JobState.SUCCEEDED)),
    )
    return tx.session.scalar(statement.order_by(Job.created_at.desc(), Job.id.desc()).limit(1))


def notice_with_connection(tx: Tx, notice_id: UUID) -> tuple[ReconnectNotice, XpmConnection] | None:
    """An email that asks for a reconnect, and the connection it is about."""
    statement = (
        select(ReconnectNotice, XpmConnection)
        .join(XpmConnection, XpmConnection.id == ReconnectNotice.connection_id)
        .where(ReconnectNotice.id == notice_id)
    )
    found = tx.session.execute(statement).one_or_none()
    return (found[0], found[1]) if found is not None else None
