"""The relay: takes back jobs with expired leases and rings due jobs. One process leads; all its state is in the record.

It looks every second, at once when it is woken, and more often while there is a backlog: until a second has passed without
a ring, since what its limits hold back may be rung as soon as jobs end. Whoever adds background jobs wakes it: who requests
them, and workers whose jobs have follow-ups in another lane.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from uuid import UUID

import redis
import structlog
from sqlalchemy.exc import SQLAlchemyError

from config import metrics
from config.seldom import Seldom
from handlers.jobs.kinds import KINDS
from portal_db.database import Database
from portal_db.states import Lane
from portal_db.work import jobs, leaders, ringing
from portal_db.work.aside import waiting_aside
from portal_db.work.candidates import Candidate
from portal_db.work.ringing import Permits
from worker.queue.bell import RedisBell

log = structlog.stdlib.get_logger(__name__)

ROLE = leaders.RELAY
LEADER_SECONDS = 10.0
#: Between two looks while there is a backlog, unless it is woken.
PAUSE_SECONDS = 0.1
#: Between two looks however often it is woken: many workers may do so, and looks of many practices take as long.
REST_SECONDS = 0.03
#: So many pauses between two looks when there is none.
IDLE_PAUSES = 10
#: So many looks that ring nothing end a backlog.
QUIET_LOOKS = 10
#: A queue this long is behind. Ringing its jobs a second time would only make it longer.
LONG_QUEUE = 1_000


class Relay:
    """One candidate for the relay's role.

    Args:
        owner: the name of this process in the record.
        limit: how many jobs of one practice are rung and unfinished at once, per lane group.
        permits: how many calls a tenant's quota has room for; without it, jobs deferred by the quota are rung when due.
        goes_round: called after each look, also after one of a process on standby.
    """

    def __init__(
        self,
        database: Database,
        bell: RedisBell,
        *,
        owner: str,
        limit: int,
        permits: Permits | None = None,
        goes_round: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._bell = bell
        self._owner = owner
        self._limit = limit
        self._permits = permits
        self._goes_round = goes_round
        self._seldom = Seldom()
        #: Whether this process led at its last look.
        self.leads = False

    def run(self, stopping: threading.Event) -> None:
        """Run until stopped, through outages of the database and of Redis. Then hand the role to the next process."""
        pauses, quiet, hears = 0, QUIET_LOOKS, False
        while True:
            is_woken = self._wait(stopping, pauses, hears=hears)
            if stopping.is_set():
                break
            try:
                quiet = 0 if self.tick() else quiet + (not is_woken)
                pauses, hears = 1 if quiet < QUIET_LOOKS else IDLE_PAUSES, self.leads
            except (SQLAlchemyError, redis.RedisError) as error:
                if self._seldom.is_due(type(error).__name__):
                    log.warning("relay.interrupted", exc_info=error)
                pauses, hears = IDLE_PAUSES, False
                self._note_leading(self.leads and not isinstance(error, SQLAlchemyError))
            self._goes_round()
        self._note_leading(False)
        try:
            with self._database.write() as tx:
                leaders.give_up(tx, ROLE, self._owner)
        except SQLAlchemyError as error:
            log.warning("relay.lease_left_to_expire", exc_info=error)

    def _wait(self, stopping: threading.Event, pauses: int, *, hears: bool) -> bool:
        """Wait for so many pauses, or until told to stop, or woken. Returns whether it was woken.

        Args:
            hears: whether to listen for a wake-up. Not after Redis has failed: leases are taken back in time.
        """
        if hears:
            stopping.wait(REST_SECONDS)
        for _ in range(pauses):
            if stopping.is_set():
                break
            if not hears:
                stopping.wait(PAUSE_SECONDS)
            elif self._is_woken():
                return True
            self._goes_round()
        return False

    def _is_woken(self) -> bool:
        try:
            return self._bell.is_woken(within_seconds=PAUSE_SECONDS)
        except redis.RedisError:
            return True  # the look will say so

    def tick(self) -> int:
        """One round, if this process leads.

        Returns:
            How many jobs were rung.

        Raises:
            redis.RedisError: Redis is unavailable. Expired leases were still taken back; nothing counts as rung.
        """
        began = time.monotonic()
        with self._database.write() as tx:
            leads = leaders.hold(tx, ROLE, self._owner, LEADER_SECONDS)
        self._note_leading(leads)
        if not leads:
            return 0
        self._goes_round()  # a Redis that hangs takes the rest of the time
        self._report_aside()
        with self._database.write() as tx:
            taken_back = jobs.take_back_expired(tx)
        if taken_back:
            log.warning("relay.took_back", count=len(taken_back))
            metrics.LEASES_LOST.inc(len(taken_back))
        lengths = self._bell.lengths()
        forgot = self._bell.forgot()
        with self._database.write() as tx:
            if forgot:
                ringing.forget_rings(tx)
            full = [lane for lane, length in lengths.items() if length >= LONG_QUEUE]
            rings = ringing.pick(tx, limit=self._limit, full_lanes=full, permits=self._permits)
            # Inside the transaction: if Redis fails, nothing counts as rung. Ringing before the commit is harmless,
            # because claiming ignores rings.
            self._ring(rings)
        metrics.RELAY_LOOK.observe(time.monotonic() - began)
        return len(rings)

    def _note_leading(self, leads: bool) -> None:
        self.leads = leads
        metrics.RELAY_LEADER.set(leads)

    def _report_aside(self) -> None:
        """Log the jobs that no running worker knows, once a minute."""
        if not self._seldom.is_due("aside"):
            return
        with self._database.read() as tx:
            aside = waiting_aside(tx)
        for each in aside:
            log.error("relay.kind_unknown", lane=each.lane.value, kind=each.kind, count=each.jobs)

    def _ring(self, rings: list[Candidate]) -> None:
        by_lane: dict[Lane, list[list[UUID]]] = defaultdict(list)
        for lane, job_ids in sets_of(rings):
            by_lane[lane].append(job_ids)
        for lane, sets in by_lane.items():
            self._bell.ring_sets(lane, sets)


def sets_of(rings: Iterable[Candidate]) -> list[tuple[Lane, list[UUID]]]:
    """The sets in which to ring jobs, in the order of their first jobs. New jobs of one practice, lane and kind go together,
    up to the kind's set size; a job that was tried before is rung by itself."""
    sets: list[tuple[Lane, list[UUID]]] = []
    growing: dict[tuple[UUID, Lane, str], list[UUID]] = {}
    for ring in rings:
        size = KINDS[ring.kind].set_size if ring.is_new and ring.kind in KINDS else 1
        of_kind = (ring.practice_id, ring.lane, ring.kind)
        job_ids = growing.get(of_kind, [])
        if size == 1 or not 0 < len(job_ids) < size:
            job_ids = []
            sets.append((ring.lane, job_ids))
        if size > 1:
            growing[of_kind] = job_ids
        job_ids.append(ring.job_id)
    return sets
