"""Facts that explain what holds a job back: earlier rows of its batch, its practice's jobs in flight, the current leader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, or_, select

from portal_db.database import Tx
from portal_db.dialect import count_rows, has_row, one_as
from portal_db.states import OPEN_IMPORT_STATES, JobState, Lane
from portal_db.tables import Client, Import, Job, ReconnectNotice, XpmConnection, XpmLink
from portal_db.types import db_now
from portal_db.work import candidates, ringing
from portal_db.work.candidates import GROUP_OF, LANE_GROUPS, is_put_off_by_quota, is_unrung, was_rung
from portal_db.work.due import is_due, is_in, is_out_of_turn, is_paused

#: What the speed of the workers is read from: of so many newest jobs, those finished in so many seconds.
NEWEST, RECENT_SECONDS = 1_000, 300.0


@dataclass(frozen=True, slots=True)
class UnresolvedRow:
    """A row of a batch that is not resolved yet."""

    import_id: UUID
    #: From 0.
    position: int
    state: str


def rows_before(tx: Tx, job: Job) -> tuple[int, UnresolvedRow] | None:
    """How many earlier rows of its batch hold a job back (b.10), and the first of them; `None` when none does."""
    own = tx.get(Import, job.import_id) if job.import_id is not None else None
    if not has_row(tx, Job.id == job.id, is_out_of_turn()) or own is None or own.batch_id is None:
        return None
    earlier = and_(Import.batch_id == own.batch_id, Import.position < own.position, Import.resolved_at.is_(None))
    first = tx.session.execute(select(Import).where(earlier).order_by(Import.position).limit(1)).scalar_one()
    return count_rows(tx, earlier), UnresolvedRow(first.id, first.position or 0, first.state.value)


def in_flight(tx: Tx, job: Job) -> tuple[Sequence[Lane], int] | None:
    """The lanes whose ring limit a job shares, and how many jobs of its practice are rung or running there; `None` for
    jobs without a limit."""
    group = GROUP_OF.get(job.lane)
    if job.interactive or group is None:
        return None
    return LANE_GROUPS[group], candidates.in_flight(tx, [job.practice_id])[job.practice_id, group]


def ahead_of(tx: Tx, job: Job, lanes: Sequence[Lane]) -> int:
    """How many unrung jobs of the same practice and lanes are rung before this one."""
    return count_rows(
        tx,
        Job.practice_id == job.practice_id,
        Job.lane.in_(lanes),
        ~Job.interactive,
        Job.id != job.id,
        is_in(JobState.QUEUED, JobState.WAITING),
        Job.rung_at.is_(None),
        is_due(),
        ~is_paused(),
        ~is_out_of_turn(),
        ringing.before(job),
    )


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many due jobs are ahead of a job, and how many of the newest jobs were finished in the last `RECENT_SECONDS`."""

    ahead: int
    finished: int


def backlog(tx: Tx, job: Job) -> Backlog:
    """How far the workers are behind with a due job."""
    is_earlier = or_(Job.created_at < job.created_at, Job.id < job.id)  # on SQLite several are of one millisecond
    older = and_(Job.interactive == job.interactive, Job.created_at <= job.created_at, is_earlier)
    # Each of the two by its own partial index; together, they would be looked for in all jobs.
    ahead = sum(count_rows(tx, older, condition, is_due(), ~is_paused()) for condition in (is_unrung(), was_rung()))
    newest = select(Job.finished_at).order_by(Job.id.desc()).limit(NEWEST).subquery()
    finished = count_rows(tx, newest.c.finished_at > db_now(-RECENT_SECONDS))
    return Backlog(ahead, finished)


def deferred_by_quota(tx: Tx, job: Job) -> Job | None:
    """A job of the same practice, lane and kind that waits for the upstream's quota: the relay holds this one back with it,
    so that it does not overtake."""
    statement = select(Job).where(
        Job.practice_id == job.practice_id,
        Job.interactive == job.interactive,
        Job.lane == job.lane,
        Job.kind == job.kind,
        is_put_off_by_quota(),
    )
    return tx.session.scalar(statement.order_by(Job.next_attempt_at, Job.id).limit(1))


@dataclass(frozen=True, slots=True)
class LinkedClient:
    """The client that an XPM record is linked to, since when, and the import that created the client."""

    client_id: UUID
    linked_at: datetime
    import_id: UUID | None


def linked_client(tx: Tx, practice_id: UUID, xpm_uuid: UUID) -> LinkedClient | None:
    statement = (
        select(XpmLink.client_id, XpmLink.linked_at, Client.import_id)
        .join(Client, Client.id == XpmLink.client_id)
        .where(XpmLink.practice_id == practice_id, XpmLink.xpm_uuid == xpm_uuid, XpmLink.disconnected_at.is_(None))
    )
    return one_as(tx, LinkedClient, statement)


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
    """A later job of the same import and kind that is open or succeeded."""
    statement = select(Job).where(
        Job.import_id == job.import_id,
        Job.kind == job.kind,
        Job.id != job.id,
        Job.created_at >= job.created_at,
        Job.state.in_((JobState.QUEUED, JobState.RUNNING, JobState.WAITING, JobState.SUCCEEDED)),
    )
    return tx.session.scalar(statement.order_by(Job.created_at.desc(), Job.id.desc()).limit(1))


def notice_with_connection(tx: Tx, notice_id: UUID) -> tuple[ReconnectNotice, XpmConnection] | None:
    """A reconnect notice, and the connection it is about."""
    statement = (
        select(ReconnectNotice, XpmConnection)
        .join(XpmConnection, XpmConnection.id == ReconnectNotice.connection_id)
        .where(ReconnectNotice.id == notice_id)
    )
    return one_as(tx, lambda notice, connection: (notice, connection), statement)
