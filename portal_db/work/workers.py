"""Which kinds of job the running workers know. During a deploy old and new ones run side by side: a job of a kind that no
running worker knows waits aside. It is not rung, so it takes nobody's place.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, insert, or_, select

from portal_db.database import Tx
from portal_db.dialect import delete_rows, has_row, insert_or_ignore, update_rows
from portal_db.states import Lane
from portal_db.tables import Job, Worker, WorkerKind
from portal_db.types import db_now

#: The kinds that releases knew whose workers do not report theirs. Every worker knows them.
KINDS_OF_EVERY_WORKER = (
    "validate_import",
    "create_client",
    "create_entity",
    "import_details",
    "import_relationships",
    "send_welcome_email",
    "send_reconnect_notice",
    "leave_xero",
    "sync_directory",
    "resync_relationships",
    "deliver_webhook",
)
#: The rows of workers that were killed are deleted after this time.
FORGET_AFTER_SECONDS = 86_400.0


def report(tx: Tx, owner: str, *, lanes: Collection[str], kinds: Collection[str], lasts_seconds: float) -> None:
    """Record that a worker is running, until `lasts_seconds` from now: the lanes it consumes and the kinds it knows."""
    if update_rows(tx, Worker, Worker.owner == owner, seen_at=db_now()):
        return
    if insert_or_ignore(tx, Worker, {"owner": owner, "seen_at": db_now(), "lasts_seconds": lasts_seconds}):
        rows = [{"owner": owner, "lane": lane, "kind": kind} for lane in sorted(lanes) for kind in sorted(kinds)]
        if rows:
            tx.session.execute(insert(WorkerKind), rows)


def forget(tx: Tx, owner: str) -> None:
    """Delete a worker that stops."""
    delete_rows(tx, WorkerKind, WorkerKind.owner == owner)
    delete_rows(tx, Worker, Worker.owner == owner)


def forget_killed(tx: Tx) -> None:
    """Delete workers that were not seen for a day."""
    killed = select(Worker.owner).where(Worker.seen_at < db_now(-FORGET_AFTER_SECONDS)).order_by(Worker.owner)
    for owner in tx.session.scalars(killed).all():
        forget(tx, owner)


def is_known(of: Any = Job) -> ColumnElement[bool]:
    """Whether a running worker knows the kind of a job, and consumes its lane. Kinds that every worker knows need none to be
    running; of a lane that this release does not know, it rings nothing."""
    reported = exists().where(
        WorkerKind.lane == of.lane, WorkerKind.kind == of.kind, Worker.owner == WorkerKind.owner, is_running()
    )
    return and_(of.lane.in_(tuple(Lane)), or_(of.kind.in_(KINDS_OF_EVERY_WORKER), reported))


def is_running() -> ColumnElement[bool]:
    """Whether a worker is running: it was seen lately, and not in the future, as before the database's clock went back."""
    return Worker.seen_at.between(db_now(-Worker.lasts_seconds), db_now())


def lanes_consumed(tx: Tx) -> set[str]:
    """The lanes that running workers consume."""
    statement = select(WorkerKind.lane).where(Worker.owner == WorkerKind.owner, is_running()).distinct()
    return set(tx.session.scalars(statement))


def knows(tx: Tx, job: Job) -> bool:
    """`is_known` for one job."""
    return has_row(tx, Job.id == job.id, is_known())
