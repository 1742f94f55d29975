"""Which jobs may be claimed now: conditions that the claim and the relay's choice share, so that they never differ.

Also the two ways to compare a job's state, so that a statement reads as much with a million finished jobs as with none.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, exists, false, func, literal_column, or_, select

from portal_db.aliases import alias_of
from portal_db.states import EmailState, ImportState, JobState, SyncState
from portal_db.tables import Import, Job, Pause
from portal_db.types import db_now
from portal_db.work.workers import is_known

#: Made once: a new alias for each statement would be compiled anew each time.
_mine, _earlier = alias_of(Import, name="mine"), alias_of(Import, name="earlier")


#: The state of jobs that a statement finds by their ids, their import or a key: no index matches this expression. Without
#: statistics PostgreSQL would otherwise read a whole index of open jobs instead of looking the few up.
state_of_found: ColumnElement[Any] = func.nullif(Job.state, literal_column("''"), type_=Job.state.type)
#: The same of imports.
import_state_of_found: ColumnElement[Any] = func.nullif(Import.state, literal_column("''"), type_=Import.state.type)


def word(text: str) -> ColumnElement[str]:
    """A word of ours, written out: neither database matches a parameter with a partial index, or groups by one."""
    return literal_column(f"'{text}'")


def is_in(*states: JobState | ImportState | EmailState | SyncState, of: Any = Job) -> ColumnElement[bool]:
    """Whether a job is in one of these states, for statements that search all jobs: written out, as in the partial indexes
    of open jobs.

    Args:
        of: another table with states.
    """
    words: list[Any] = [word(state.value) for state in states]
    condition: ColumnElement[bool] = of.state.in_(words) if len(words) > 1 else of.state == words[0]
    return condition


def is_open() -> ColumnElement[bool]:
    """Whether a job is open, in the words of the partial indexes of open jobs, which PostgreSQL combines. SQLite reads all
    jobs."""
    unfinished = is_in(JobState.QUEUED, JobState.WAITING)
    return or_(
        and_(unfinished, Job.rung_at.is_(None)), and_(unfinished, Job.rung_at.is_not(None)), is_in(JobState.RUNNING)
    )


def import_is_open() -> ColumnElement[bool]:
    """Whether an import is open, as in the partial index of open imports."""
    return is_in(ImportState.ACCEPTED, ImportState.IN_PROGRESS, ImportState.WAITING, of=Import)


def is_due(state: Any = Job.state) -> ColumnElement[bool]:
    """Queued, or waiting and its time has come. `state`: `state_of_found`, if the statement finds the jobs otherwise."""
    has_come = or_(Job.next_attempt_at <= db_now(), was_parked_ahead())
    return or_(state == JobState.QUEUED, and_(state == JobState.WAITING, has_come))


def was_parked_ahead() -> ColumnElement[bool]:
    """Whether a job was parked in the future: the database's clock has gone back since, so it would wait for longer than was
    meant."""
    return Job.parked_at > db_now()


def due_in(seconds: float) -> dict[str, Any]:
    """The columns of a waiting job that is due in so many seconds, and is to be rung then."""
    return {"next_attempt_at": db_now(seconds), "parked_at": db_now(), "rung_at": None}


def is_paused(of: Any = Job) -> ColumnElement[bool]:
    """Some pause matches the job: its practice, lane and kind, where the pause names them."""
    return exists().where(
        or_(Pause.practice_id.is_(None), Pause.practice_id == of.practice_id),
        or_(Pause.lane.is_(None), Pause.lane == of.lane),
        or_(Pause.kind.is_(None), Pause.kind == of.kind),
    )


def is_free() -> ColumnElement[bool]:
    """Whether nothing but its time holds a job back: a worker knows its kind, no pause matches it, and no earlier row of its
    batch goes first."""
    return and_(is_known(), ~is_paused(), ~is_out_of_turn())


def is_out_of_turn() -> ColumnElement[bool]:
    """Whether an earlier row of the same batch is still unresolved: it might need the same email (b.10).

    One comparison with the batch's frontier, its first unresolved row. As scalar subqueries, since a join or an EXISTS lets
    PostgreSQL build every pair of rows of the batch while it has no statistics.
    """
    batch_id = select(_mine.batch_id).where(_mine.id == Job.import_id).correlate(Job).scalar_subquery()
    frontier = (
        select(_earlier.position)
        .where(_earlier.batch_id == batch_id, _earlier.batch_id.is_not(None), _earlier.resolved_at.is_(None))
        .order_by(_earlier.position)
        .limit(1)
        .correlate(Job)
        .scalar_subquery()
    )
    position = select(_mine.position).where(_mine.id == Job.import_id).correlate(Job).scalar_subquery()
    return and_(Job.in_batch_order, func.coalesce(frontier < position, false()))
