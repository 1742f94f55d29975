"""How the portal is doing now, as operators see it first: one sentence, the lanes, the workers, and what stops work."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from handlers.outages import OPENS_AFTER
from portal_db.database import Database, Tx
from portal_db.dialect import count_rows
from portal_db.states import ImportState, JobState, Lane
from portal_db.tables import Outage, Restore
from portal_db.types import database_time
from portal_db.work import job_facts, leaders, outages, overview, pauses
from portal_db.work.job_search import Filter
from portal_db.work.oldest_due import oldest_due
from portal_db.work.overview import RunningWorker
from portal_db.work.pauses import Paused

#: A due job that is older than this should have run.
LATE_SECONDS = 60.0


@dataclass(frozen=True)
class LaneNow:
    """A lane: how many jobs run, are due, and wait for what; and how many workers consume it."""

    lane: Lane
    workers: int
    running: int
    due: int
    #: Since when the oldest is due that nothing holds back.
    oldest_due_at: datetime | None
    waits: Mapping[str, int]


@dataclass(frozen=True)
class Now:
    """The state of the portal at `at`."""

    at: datetime
    lanes: Sequence[LaneNow]
    workers: Sequence[RunningWorker]
    leader: tuple[str, datetime] | None
    pauses: Sequence[Paused]
    restore: Restore | None
    outages: Sequence[Outage]
    dead: int
    closes: Mapping[ImportState, int]

    @property
    def late(self) -> Sequence[LaneNow]:
        """Lanes whose oldest due job should have run."""
        return [lane for lane in self.lanes
                if lane.oldest_due_at and (self.at - lane.oldest_due_at).total_seconds() > LATE_SECONDS]  # fmt: skip

    @property
    def unattended(self) -> Sequence[Lane]:
        """Lanes that no worker consumes."""
        return [lane.lane for lane in self.lanes if not lane.workers]


def now(database: Database, *, hours: int = 24) -> Now:
    """`state`, as of this moment."""
    with database.read() as tx:
        return state(tx, hours=hours)


def state(tx: Tx, *, hours: int = 24) -> Now:
    """What there is to do now, who does it, and how the imports of the last hours ended."""
    workers = overview.running_workers(tx)
    return Now(
        at=database_time(tx.session),
        lanes=lanes(tx, workers),
        workers=workers,
        leader=job_facts.leader(tx, leaders.RELAY),
        pauses=pauses.listing(tx),
        restore=overview.unfinished_restore(tx),
        outages=outages.current(tx, failures=OPENS_AFTER),
        dead=count_rows(tx, *Filter(states=(JobState.DEAD,)).conditions()),
        closes=overview.closes(tx, hours=hours),
    )


def lanes(tx: Tx, workers: Sequence[RunningWorker], *, practice_id: UUID | None = None) -> list[LaneNow]:
    """The open work of one practice or of all, by lane."""
    by_lane: dict[Lane, dict[str, int]] = defaultdict(dict)
    for each in overview.open_work(tx, practice_id=practice_id):
        by_lane[each.lane][each.condition] = each.jobs
    since = oldest_due(tx, practice_id=practice_id)
    found = []
    for lane in Lane:
        waits = dict(by_lane[lane])
        running, due = waits.pop("running", 0), waits.pop("due", 0)
        count = sum(lane.value in worker.lanes for worker in workers)
        found.append(LaneNow(lane, count, running, due, since.get(lane), waits))
    return found
