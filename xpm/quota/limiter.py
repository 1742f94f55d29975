"""The limiter on Redis: waits briefly for a permit, renews the leases of its permits, and records what XPM reports.

It fails closed: without Redis there are no permits.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import redis
import structlog

from config import metrics
from xpm.errors import QuotaDeferred, XpmRateLimited
from xpm.quota.ledger import Ledger, Refused, Status
from xpm.quota.limits import Limits, Timing

log = structlog.stdlib.get_logger(__name__)

INTERACTIVE = "interactive"
"""The lane that may use up every limit; all others leave it a reserve."""
UNAVAILABLE_SECONDS = 5.0
"""How long to defer a job while Redis is unavailable."""


class RedisPermit:
    """A permit in the ledger. Its lease is renewed until it is released or its call's deadline has passed."""

    def __init__(self, limiter: RedisLimiter, tenant_id: str, name: str, given_at: int, ends: float) -> None:
        self.tenant_id = tenant_id
        self.name = name
        self.given_at = given_at
        self.ends = ends
        self._limiter = limiter

    def calibrate(self, headers: Mapping[str, str]) -> None:
        """Correct our count by XPM's (`x-minlimit-remaining`, `x-daylimit-remaining`, `x-appminlimit-remaining`)."""
        self._limiter.calibrate(self, headers)

    def release(self) -> None:
        """Release the permit. A second call does nothing."""
        self._limiter.release(self)


class RedisLimiter:
    """`xpm.limiter.Limiter` for any number of processes on one Redis; threads may share it.

    A thread renews the leases of held permits, from the first permit until `close`.

    Args:
        client: for calls that end within seconds; decodes no responses.
        namespace: prefix of every key.
        clock, monotonic, sleep: seconds; tests supply their own. `clock` replaces Redis's.
    """

    def __init__(
        self,
        client: redis.Redis,
        namespace: str,
        limits: Limits | None = None,
        timing: Timing | None = None,
        *,
        clock: Callable[[], float] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.limits = limits or Limits()
        self._timing = timing or Timing()
        self._ledger = Ledger(client, namespace, self.limits, self._timing, clock)
        self._monotonic = monotonic
        self._sleep = sleep
        self._held: set[RedisPermit] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def acquire(self, tenant_id: str, *, lane: str, holder: str, deadline: float) -> Iterator[RedisPermit]:
        """A permit for one request, held inside the block; a 429 that leaves the block parks the tenant.

        Waits in the thread for up to two seconds (`Timing.patience_seconds`), if the deadline allows it.

        Raises:
            QuotaDeferred: the wait is longer, or Redis is unavailable.
        """
        try:
            permit = self._take(tenant_id, lane, f"{holder}/{secrets.token_hex(4)}", deadline)
        except redis.RedisError as error:
            log.warning("quota.unavailable", tenant=tenant_id, exc_info=error)
            metrics.XPM_PERMITS.labels(str(lane), "unavailable").inc()
            raise QuotaDeferred("unavailable", UNAVAILABLE_SECONDS) from error
        try:
            yield permit
        except XpmRateLimited as refused:
            self._park(tenant_id, refused)
            raise
        finally:
            permit.release()

    def _take(self, tenant_id: str, lane: str, name: str, deadline: float) -> RedisPermit:
        began = self._monotonic()
        ends, patient_until = began + deadline, began + min(deadline, self._timing.patience_seconds)
        waited_for: str | None = None
        while True:
            now = self._monotonic()
            lease = min(self._timing.lease_seconds, ends - now)
            answer = self._ledger.take(tenant_id, name, background=lane != INTERACTIVE, lease_seconds=lease)
            if not isinstance(answer, Refused):
                permit = RedisPermit(self, tenant_id, name, answer, ends)
                self._keep(permit)
                metrics.XPM_PERMITS.labels(str(lane), "given").inc()
                if waited_for is not None:
                    metrics.XPM_PERMIT_WAIT.labels(waited_for).observe(now - began)
                return permit
            waited_for = answer.limit
            if now + answer.wait_seconds >= patient_until:
                metrics.XPM_PERMITS.labels(str(lane), "deferred").inc()
                metrics.XPM_PERMIT_WAIT.labels(answer.limit).observe(answer.wait_seconds)
                raise QuotaDeferred(answer.limit, max(answer.wait_seconds, self._timing.least_deferral))
            self._sleep(answer.wait_seconds)

    def _keep(self, permit: RedisPermit) -> None:
        with self._lock:
            self._held.add(permit)
            if self._thread is None:
                self._thread = threading.Thread(target=self._beat, name="quota-leases", daemon=True)
                self._thread.start()

    def calibrate(self, permit: RedisPermit, headers: Mapping[str, str]) -> None:
        """Count the calls that XPM reports. The headers of a 429 are ignored: its Retry-After decides."""
        if "x-rate-limit-problem" in headers:
            return
        try:
            self._ledger.calibrate(permit.tenant_id, permit.name, permit.given_at, headers)
        except redis.RedisError as error:
            log.warning("quota.not_calibrated", tenant=permit.tenant_id, exc_info=error)

    def release(self, permit: RedisPermit) -> None:
        """Release a permit, once. If Redis is unavailable, its lease expires instead."""
        with self._lock:
            if permit not in self._held:
                return
            self._held.discard(permit)
        self._release(permit)

    def _release(self, permit: RedisPermit) -> None:
        try:
            self._ledger.release(permit.tenant_id, permit.name)
        except redis.RedisError as error:
            log.warning("quota.not_given_back", tenant=permit.tenant_id, exc_info=error)

    def _park(self, tenant_id: str, refused: XpmRateLimited) -> None:
        """Park the tenant for all workers. Retry-After is real time; a limit's default wait is scaled as the limit is."""
        scale = self._timing.time_scale if refused.retry_after is None else 1.0
        log.warning("quota.parked", tenant=tenant_id, limit=refused.problem, seconds=refused.wait_seconds)
        try:
            self._ledger.park(tenant_id, refused.problem, refused.wait_seconds / scale)
        except redis.RedisError as error:
            log.warning("quota.not_parked", tenant=tenant_id, exc_info=error)

    def renew(self) -> None:
        """Renew the leases of all permits held here, or register them again; never past their calls' deadlines.

        Raises:
            redis.RedisError: Redis is unavailable; some or none were renewed.
        """
        with self._lock:
            held = list(self._held)
        now = self._monotonic()
        by_tenant: dict[str, dict[str, float]] = defaultdict(dict)
        for permit in held:
            if permit.ends > now:
                by_tenant[permit.tenant_id][permit.name] = min(self._timing.lease_seconds, permit.ends - now)
        for tenant_id, leases in by_tenant.items():
            self._ledger.renew(tenant_id, leases)
        with self._lock:
            released_meanwhile = [permit for permit in held if permit not in self._held]
        for permit in released_meanwhile:  # otherwise the renewal would hold them again for one lease
            self._release(permit)

    def _beat(self) -> None:
        while not self._closed.wait(self._timing.renew_seconds):
            try:
                self.renew()
            except redis.RedisError as error:
                log.warning("quota.not_renewed", exc_info=error)

    def status(self, tenant_id: str) -> Status:
        """What the tenant has used, and what blocks it.

        Raises:
            redis.RedisError: Redis is unavailable.
        """
        return self._ledger.look(tenant_id, background=False)

    def free(self, tenant_id: str, lane: str) -> int:
        """How many permits this lane can have now.

        Raises:
            redis.RedisError: Redis is unavailable.
        """
        background = lane != INTERACTIVE
        caps = self.limits.for_background() if background else self.limits
        now = self._ledger.look(tenant_id, background=background)
        if now.closed_seconds or now.parked_seconds or now.app_parked_seconds:
            return 0
        room = min(
            caps.concurrent - now.concurrent,
            caps.minute - now.minute,
            caps.day - now.day,
            caps.app_minute - now.app_minute,
            now.paced,
        )
        return max(0, room if now.known else min(room, int(not now.probing)))

    def day_left(self, tenant_id: str) -> int | None:
        """How many calls background lanes have left of the tenant's day.

        `None` when unknown: while Redis is unavailable, and after it lost its memory until XPM reports a count.
        """
        try:
            now = self._ledger.look(tenant_id, background=True)
        except redis.RedisError as error:
            log.warning("quota.unavailable", tenant=tenant_id, exc_info=error)
            return None
        if now.parked_by == "day":
            return 0
        return max(0, self.limits.for_background().day - now.day) if now.known else None

    def open(self) -> None:
        """Give permits at once, although this Redis is new. Only for who started it, and starts all who will use it.

        Raises:
            redis.RedisError: Redis is unavailable.
        """
        self._ledger.open()

    def close(self) -> None:
        """Stop renewing. Permits still held expire with their leases."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join()
