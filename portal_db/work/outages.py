"""Outages of servers that many jobs need: since when, why, and when the next probe may be made.

A row is kept from the first failure to the next answer. Once it counts enough failures the server is away: one caller at a
time tries it, its jobs wait with the outage's code, and its end makes them due.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import ColumnElement, and_, case, exists, or_, select, true

from portal_db.aliases import alias_of
from portal_db.database import Tx
from portal_db.dialect import delete_rows, has_row, update_rows, upsert
from portal_db.states import JobState
from portal_db.tables import Job, Outage
from portal_db.types import database_time, db_now, has_ended
from portal_db.work.candidates import is_put_off_by_quota
from portal_db.work.due import due_in, is_free, is_in

#: A job that waits for a probe may be planned this much later than it.
SLACK_SECONDS = 2.0

_other = alias_of(Job, name="other")


def get(tx: Tx, upstream: str) -> Outage | None:
    return tx.get(Outage, upstream)


def is_over(tx: Tx, upstream: str) -> bool:
    """Whether an outage has ended. Locks one that has not until this transaction ends, so that its end finds what waits."""
    statement = select(Outage.upstream).where(Outage.upstream == upstream).with_for_update()
    return tx.session.scalar(statement) is None


def current(tx: Tx, *, failures: int) -> list[Outage]:
    """The servers that count at least so many failures."""
    return list(tx.session.scalars(select(Outage).where(Outage.failures >= failures).order_by(Outage.upstream)))


def take_probe(tx: Tx, upstream: str, *, seconds: float) -> bool:
    """Claim the next probe for `seconds`, the longest time between two. False while it is not due, or somebody else was
    first."""
    is_due = (Outage.upstream == upstream, has_ended(Outage.next_probe_at, seconds))
    return bool(update_rows(tx, Outage, *is_due, next_probe_at=db_now(seconds)))


def count_failure(tx: Tx, upstream: str, *, reason: str, holder: str, of_all: bool) -> int:
    """Count a failure.

    Args:
        holder: whose work failed; a failure that may be about that work alone counts once for each holder in turn.
        of_all: the failure concerns everybody's work, whoever met it.

    Returns:
        How many are counted now.
    """
    now = {"reason": reason, "holder": holder}
    row = {"upstream": upstream, "since": db_now(), "next_probe_at": db_now(), "failures": 1, **now}
    counts = true() if of_all else or_(Outage.holder != holder, Outage.holder.is_(None))
    failures = case((counts, Outage.failures + 1), else_=Outage.failures)
    # By one statement: between two somebody else may end the outage.
    statement = upsert(tx, Outage, row).on_conflict_do_update(
        index_elements=["upstream"], set_={"failures": failures, **now}
    )
    return int(tx.session.scalar(statement.returning(Outage.failures)))


def plan_probe(tx: Tx, upstream: str, waiting_code: str, *, seconds: float) -> None:
    """Let the next probe be made in `seconds`, by a waiting job that may run then, and not the one that has just failed: its
    own work may be what the server cannot bear."""
    update_rows(tx, Outage, Outage.upstream == upstream, next_probe_at=db_now(seconds))
    first = (
        select(Job.id)
        .where(*_waits(waiting_code), _may_be_rung())
        .order_by(Job.next_attempt_at, Job.id)
        .limit(1)
        .scalar_subquery()
    )
    update_rows(tx, Job, Job.id == first, Job.state == JobState.WAITING, **due_in(seconds))


def probe_that_nobody_makes(tx: Tx, upstream: str, waiting_code: str) -> float | None:
    """In how many seconds the next probe may be made, if no job waits to make it by then: whoever met the outage before had
    no job, as a web process."""
    outage = get(tx, upstream)
    if outage is None:
        return None
    in_time = Job.next_attempt_at <= outage.next_probe_at + timedelta(seconds=SLACK_SECONDS)
    if has_row(tx, *_waits(waiting_code), _may_be_rung(), in_time):
        return None
    return max((outage.next_probe_at - database_time(tx.session)).total_seconds(), 1.0)


def end(tx: Tx, upstream: str, waiting_code: str) -> int | None:
    """Delete the outage and make the jobs that wait for its end due; the relay rings them at its own pace.

    Returns:
        How many jobs waited; `None` if somebody else ended it.
    """
    if not delete_rows(tx, Outage, Outage.upstream == upstream):
        return None
    return update_rows(tx, Job, *_waits(waiting_code), **due_in(0))


def _may_be_rung() -> ColumnElement[bool]:
    """Whether the relay rings a job once it is due: nothing else holds it, and no other of its practice, lane and kind waits
    for the upstream's quota."""
    same = (_other.practice_id == Job.practice_id, _other.lane == Job.lane, _other.kind == Job.kind)
    return and_(is_free(), ~exists().where(is_put_off_by_quota(_other), *same))


def _waits(code: str) -> tuple[ColumnElement[bool], ...]:
    """Whether a job waits for the end of the outage with this code, in the words of the index of waiting jobs."""
    return is_in(JobState.WAITING), Job.error_code == code
