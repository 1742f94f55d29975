"""Requeues dead letters in a new epoch of their import, unless their work was done elsewhere; or dismisses them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from handlers import refusals
from handlers.access.act import Act
from handlers.access.outcomes import Outcomes, for_each
from handlers.errors import RequestRefused
from handlers.imports.reopen import lock_job, reopen_if_closed, settle_after_decision
from handlers.imports.settle import settle
from handlers.jobs.done_elsewhere import require_undone
from handlers.jobs.enqueue import trace_of_epoch
from handlers.jobs.handler import job_arg
from handlers.jobs.kinds import KINDS, JobKind
from portal_db import audit, co_owner_invitations, welcome_emails
from portal_db.access import people
from portal_db.database import Database, Tx, retry_on_deadlock
from portal_db.paging import Cursor
from portal_db.states import ImportState, JobState, Lane
from portal_db.tables import Job
from portal_db.types import database_time
from portal_db.work import imports, job_search, jobs
from portal_db.work.job_search import Filter

PAGE = 500

#: Runs at the end of the transaction that acts on a dead letter.
Counted = Callable[[Tx], None]


@dataclass(frozen=True)
class Requeued:
    """A requeued dead letter. `state` is its import's, if it has one; `in_seconds` is how long it waits for its turn."""

    job_id: UUID
    import_id: UUID | None
    state: ImportState | None
    in_seconds: float


@dataclass(frozen=True)
class Dismissed:
    """A dismissed dead letter. `state` is its import's, if it has one."""

    job_id: UUID
    import_id: UUID | None
    state: ImportState | None


def _uncounted(_: Tx) -> None:
    """A dead letter that nobody counts."""


@retry_on_deadlock
def requeue(
    database: Database,
    act: Act,
    job_id: UUID,
    *,
    in_seconds: float = 0.0,
    in_background: bool = False,
    counted: Counted = _uncounted,
) -> Requeued:
    """Requeue one dead letter.

    Args:
        in_seconds: how long it waits for its turn, as one of many.
        in_background: whether it goes behind the work that people wait for, and under the ring limit of its practice.
        counted: counts it in the same transaction, or raises an error that undoes it.

    Raises:
        RequestRefused: there is no such job; it is no longer a dead letter; or its work was or may have been done.
    """
    with database.write() as tx:
        job, row = lock_job(tx, job_id)
        require_dead(tx, job)
        require_undone(tx, job, row)
        if row is not None:
            row = reopen_if_closed(tx, act, row)
        lane = _background_lane(job) if in_background else None
        epoch = row.epoch if row is not None else job.epoch
        if not jobs.requeue(tx, job_id, epoch, trace=trace_of_epoch([job], epoch), background=lane):
            require_dead(tx, lock_job(tx, job_id)[0])  # without an import nothing was locked: the statement decides
        if in_seconds > 0:
            at = database_time(tx.session) + timedelta(seconds=in_seconds)
            jobs.wait_in_turn(tx, job_id, in_seconds, f"Requeued with others, in turn, until {at:%H:%M:%S} UTC")
        after = JobState.WAITING if in_seconds > 0 else JobState.QUEUED
        act.audit(tx, "job.requeue", "job", job_id, job.practice_id, before=JobState.DEAD, after=after)
        state = settle(tx, row) if row is not None else None
        counted(tx)
    return Requeued(job_id, job.import_id, state, in_seconds)


def _background_lane(job: Job) -> Lane:
    kind = KINDS.get(job.kind)
    return kind.lane_for(interactive=False) if kind is not None else job.lane


@retry_on_deadlock
def dismiss(database: Database, act: Act, job_id: UUID, *, counted: Counted = _uncounted) -> Dismissed:
    """Dismiss one dead letter. Its welcome email or invitation is cancelled if it was not begun; one of unknown outcome
    stays unknown, for a person to decide.

    Args:
        counted: as in `requeue`.

    Raises:
        RequestRefused: there is no such job, or it is no longer a dead letter.
    """
    with database.write() as tx:
        job, row = lock_job(tx, job_id)
        require_dead(tx, job)
        if not jobs.dismiss(tx, job_id):
            require_dead(tx, lock_job(tx, job_id)[0])
        if row is not None and row.client_id is not None and job.kind == JobKind.SEND_WELCOME_EMAIL:
            welcome_emails.cancel_pending(tx, row.client_id)
        elif job.kind == JobKind.INVITE_CO_OWNER:
            co_owner_invitations.cancel_pending(tx, job_arg(job, "invitation_id"))
        act.audit(tx, "job.dismiss", "job", job_id, job.practice_id, before=JobState.DEAD, after=JobState.DISMISSED)
        state = settle_after_decision(tx, act, row) if row is not None else None
        counted(tx)
    return Dismissed(job_id, job.import_id, state)


def would_refuse(database: Database, job_id: UUID) -> RequestRefused | None:
    """Why a requeue would be refused now. Changes nothing."""
    with database.read() as tx:
        return refusal_of(tx, job_id, requeue=True)


def refusal_of(tx: Tx, job_id: UUID, *, requeue: bool) -> RequestRefused | None:
    """Why a requeue, or else a dismissal, would be refused now."""
    job = jobs.get(tx, job_id)
    if job is None:
        return refusals.UNKNOWN_JOB()
    try:
        require_dead(tx, job)
        if requeue:
            require_undone(tx, job, imports.get(tx, job.import_id) if job.import_id is not None else None)
    except RequestRefused as refusal:
        return refusal
    return None


def require_dead(tx: Tx, job: Job) -> None:
    """Pass if the job is a dead letter.

    Raises:
        RequestRefused: it is not, and who changed that.
    """
    if job.state is not JobState.DEAD:
        raise refusals.NOT_DEAD(state=job.state.value, last_act=_by_whom(tx, job.id), job_id=job.id)


def _by_whom(tx: Tx, job_id: UUID) -> str:
    """The last act of an operator on a job."""
    acts = [entry for entry in audit.of_subject(tx, "job", job_id) if entry.actor_id is not None]
    if not acts:
        return ""
    last = acts[-1]
    who = (
        people.operator_names(tx, [last.actor_id]).get(last.actor_id, "an operator") if last.actor_id else "an operator"
    )
    return f"; {last.action} by {who} at {last.at:%Y-%m-%d %H:%M:%S} UTC"


def matching(database: Database, which: Filter, *, limit: int) -> list[UUID]:
    """Up to `limit` dead letters that match now, oldest first."""
    found: list[UUID] = []
    after: Cursor | None = None
    with database.read() as tx:
        until = database_time(tx.session)
        while page := job_search.oldest_first(tx, which, until=until, limit=min(PAGE, limit - len(found)), after=after):
            found += [job_id for job_id, _ in page]
            after = page[-1][1]
            if len(found) >= limit:
                break
    return found


def check_each(database: Database, job_ids: Iterable[UUID]) -> Outcomes[UUID]:
    """Which dead letters would be requeued now, and which refused. Changes nothing."""

    def check(job_id: UUID, _: int) -> UUID:
        if (refusal := would_refuse(database, job_id)) is not None:
            raise refusal
        return job_id

    return for_each(job_ids, check)
