"""What the client asks of a quota limiter: a permit for each request, or the wait until one may be free.

Only the interface lives here, with a limiter that limits nothing; the one that keeps XPM's limits is `xpm.quota`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Permit(Protocol):
    """Leave to send one request. It is held until the answer's last byte was read."""

    def calibrate(self, headers: Mapping[str, str]) -> None:
        """Tell what XPM said of the quota: lower-case header names (`x-minlimit-remaining`, `retry-after`, …)."""

    def release(self) -> None:
        """Give the permit back. A second call, and leaving the context manager afterwards, do nothing."""


class Limiter(Protocol):
    """Gives permits. An `XpmRateLimited` leaves through the permit's context manager, so a limiter sees every 429."""

    def acquire(self, tenant_id: str, *, lane: str, holder: str, deadline: float) -> AbstractContextManager[Permit]:
        """A permit for one request to `tenant_id`, held inside the returned context manager.

        `lane` is the priority class, `holder` names the work that will hold the permit, and `deadline` is the time in
        seconds, from now, after which the request will have ended. May wait for a moment, well within the deadline, but
        never longer: raises `QuotaDeferred` instead.
        """


class UnlimitedPermit:
    """A permit that keeps no books."""

    def calibrate(self, headers: Mapping[str, str]) -> None:
        """Do nothing."""

    def release(self) -> None:
        """Do nothing."""


class UnlimitedLimiter:
    """Permits for everybody; for tests and tools that talk to a simulator."""

    @contextmanager
    def acquire(self, tenant_id: str, *, lane: str, holder: str, deadline: float) -> Iterator[Permit]:  # noqa: ARG002
        """A permit, always."""
        yield UnlimitedPermit()
