"""How the portal is doing now, as operators see it first: one sentence, the lanes, the workers, and what stops work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from handlers.outages import OPENS_AFTER
from portal_db.database import Database, Tx
from portal_db.states import ImportState, Lane
from portal_db.tables import Outage
from portal_db.work import outages, overview, pauses
from portal_db.work.overview import NO_WORK, RunningWorker
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
    #: The relay that leads.
    leader: str | None
    pauses: Sequence[Paused]
    #: Since when a restore is under way.
    restoring_since: datetime | None
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
    standing = overview.standing(tx)
    workers = overview.running_workers(tx)
    return Now(
        at=standing.at,
        lanes=lanes(tx, workers),
        workers=workers,
        leader=standing.leader,
        pauses=pauses.listing(tx),
        restoring_since=standing.restoring_since,
        outages=outages.current(tx, failures=OPENS_AFTER),
        dead=standing.dead,
        closes=overview.closes(tx, standing.at, hours=hours),
    )


def lanes(tx: Tx, workers: Sequence[RunningWorker], *, practice_id: UUID | None = None) -> list[LaneNow]:
    """The open work of one practice or of all, by lane."""
    work = overview.open_work(tx, practice_id=practice_id)
    found = []
    for lane in Lane:
        of_lane = work.get(lane, NO_WORK)
        waits = dict(of_lane.jobs)
        running, due = waits.pop("running", 0), waits.pop("due", 0)
        count = sum(lane.value in worker.lanes for worker in workers)
        found.append(LaneNow(lane, count, running, due, of_lane.due_since, waits))
    return found
