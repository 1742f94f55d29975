"""Renews this process's leases: a thread sends one UPDATE every few seconds for all running jobs.

So a busy worker is never mistaken for a dead one (P3), and a dead one is noticed within a lease. A worker that stops
releases the jobs it still holds, so that others can run them at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from portal_db.database import Database
from portal_db.work import jobs
from portal_db.work.jobs import Lease

log = structlog.stdlib.get_logger(__name__)


class Leases:
    """The leases of one process.

    Args:
        owner: the name of the process in the record.
        lease_seconds: how long a lease lasts from each renewal.
        every_seconds: how often they are renewed.
        goes_round: called each time the heartbeat goes round.
    """

    def __init__(
        self,
        database: Database,
        owner: str,
        *,
        lease_seconds: float,
        every_seconds: float,
        goes_round: Callable[[], None] = lambda: None,
    ) -> None:
        self.owner = owner
        self.lease_seconds = lease_seconds
        self._database = database
        self._every_seconds = every_seconds
        self._goes_round = goes_round
        self._held: dict[UUID, Lease] = {}
        #: Tokens that the last renewal did not renew.
        self._missed: set[UUID] = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    @contextmanager
    def held(self, *leases: Lease) -> Iterator[None]:
        """Renew these leases while the block runs."""
        with self._lock:
            self._held |= {lease.token: lease for lease in leases}
        try:
            yield
        finally:
            self.let_go(*leases)

    def let_go(self, *leases: Lease) -> None:
        """Renew these no longer: their jobs have ended before their block."""
        with self._lock:
            for lease in leases:
                self._held.pop(lease.token, None)

    def renew(self) -> None:
        """Renew all held leases once. A lease that is lost already is noticed when its job writes.

        One that is not renewed twice in a row is reported as lost: after only one time its job may just have ended.
        """
        with self._lock:
            tokens = set(self._held)
        if not tokens:
            self._missed = set()
            return
        with self._database.write() as tx:
            kept = jobs.renew(tx, self.owner, tokens, self.lease_seconds)
        with self._lock:
            missed = (tokens - kept) & self._held.keys()
        lost, self._missed = missed & self._missed, missed
        if lost:
            log.warning("leases.lost", owner=self.owner, count=len(lost))

    def release_all(self) -> int:
        """Return every job that still runs here to the queue, with nothing counted against it.

        A thread that still works on one finds its lease lost. One that is just being written is left to its transaction.

        Returns:
            How many jobs were released.
        """
        with self._lock:
            held = list(self._held.values())
        if not held:
            return 0
        with self._database.write() as tx:
            return jobs.release_free(tx, held)

    def _beat(self) -> None:
        while not self._stop.wait(self._every_seconds):
            self._goes_round()
            try:
                self.renew()
            except SQLAlchemyError as error:
                log.warning("leases.not_renewed", owner=self.owner, exc_info=error)
