"""Open jobs, counted by what holds them back, and since when the oldest is due that nothing does: what counts as late, for
the console, metrics and alerts alike. One statement, which reads the open jobs once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, Select, Uuid, and_, bindparam, case, exists, func, select, union_all

from portal_db.aliases import alias_of
from portal_db.database import Tx
from portal_db.states import JobState, Lane
from portal_db.tables import Import, Job
from portal_db.types import UtcDateTime
from portal_db.work.candidates import is_of, is_put_off_by_quota, is_unrung, waits_for_quota, was_rung
from portal_db.work.due import is_due, is_in, is_out_of_turn, is_paused

Columns = Callable[[], tuple[Any, ...]]


def counted(tx: Tx, by: Columns, *, practice_id: UUID | None = None) -> Sequence[Any]:
    """How many open jobs there are, of one practice or of all.

    Args:
        by: a function of a module that makes the columns to count by. The statement is made once.

    Returns:
        Rows of practice, `lane`, kind, `is_due`, `is_paused` and these columns, with the number of `jobs`, and `due_since`:
        since when the oldest of them is due, of those that no pause, no turn and no quota holds back. Of background jobs
        that were not rung the first in order counts: the relay rings it first.
    """
    given = {} if practice_id is None else {"practice_id": practice_id}
    return tx.session.execute(_counted(by, tx.dialect, bool(given)), given).all()


def due_since(rows: Iterable[Any]) -> dict[Lane, datetime]:
    """The earliest `due_since` of each lane that has one.

    Args:
        rows: what `counted` returns.
    """
    found: dict[Lane, datetime] = {}
    for row in rows:
        if row.due_since is not None:
            found[row.lane] = min(row.due_since, found.get(row.lane, row.due_since))
    return found


@cache
def _counted(by: Columns, dialect: str, is_of_one: bool) -> Any:
    # Each by its own partial index; together, SQLite would look for them in all jobs.
    background, urgent = and_(is_unrung(), ~Job.interactive), and_(is_unrung(), Job.interactive)
    return union_all(
        _part(background, _first, by, dialect, is_of_one),
        *(_part(which, _oldest, by, dialect, is_of_one) for which in (urgent, was_rung(), is_in(JobState.RUNNING))),
    )


def _part(which: ColumnElement[bool], pick: Any, by: Columns, dialect: str, is_of_one: bool) -> Select[Any]:
    jobs = select(Job.practice_id, Job.lane, Job.kind, is_due().label("is_due"), *by()).where(which)
    if is_of_one:
        jobs = jobs.where(Job.practice_id == bindparam("practice_id", type_=Uuid()))
    rows = jobs.subquery()
    # A pause is looked for once for each group, because there may be many pauses and very many jobs.
    groups = select(*rows.c, func.count().label("jobs")).group_by(*rows.c).subquery()
    paused = is_paused(groups.c)
    free = select(_due_since(dialect)).where(is_of(groups), which, is_due(), ~waits_for_quota(), ~is_out_of_turn())
    since = case((and_(groups.c.is_due, ~paused), pick(free.correlate(groups), groups)))
    return select(*groups.c, paused.label("is_paused"), since.label("due_since"))


def _oldest(free: Select[Any], _: FromClause) -> Any:
    return free.with_only_columns(func.min(*free.selected_columns)).scalar_subquery()


def _first(free: Select[Any], groups: FromClause) -> Any:
    """The first in order; none while others of the same kind wait for the quota, since they hold it back."""
    held = alias_of(Job, name="held")
    by_quota = exists().where(is_put_off_by_quota(held), ~held.interactive, is_of(groups, held))
    first = free.order_by(Job.asked_at, Job.position, Job.created_at, Job.id).limit(1)
    return case((~by_quota, first.scalar_subquery()))


def _due_since(dialect: str) -> Any:
    """The last of: created, its import reopened, its last attempt, the end of its wait."""
    epoch = select(Import.epoch_started_at).where(Import.id == Job.import_id).correlate(Job).scalar_subquery()
    moments = (func.coalesce(moment, Job.created_at) for moment in (epoch, Job.started_at, Job.next_attempt_at))
    last = func.greatest if dialect == "postgresql" else func.max
    return last(Job.created_at, *moments, type_=UtcDateTime())
