"""The client's interface to a quota limiter: a permit for each request, or the wait until one may be free.

A limiter without limits is here too. The one that keeps XPM's limits is `xpm.quota`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Permit(Protocol):
    """Permission to send one request. It is held until the answer's last byte is read."""

    def calibrate(self, headers: Mapping[str, str]) -> None:
        """Record XPM's quota headers, by lower-case name (`x-minlimit-remaining`, `retry-after`, …)."""

    def release(self) -> None:
        """Release the permit. A second call, and leaving the context manager afterwards, do nothing."""


class Limiter(Protocol):
    """Gives permits. An `XpmRateLimited` leaves through the permit's context manager, so a limiter sees every 429."""

    def acquire(self, tenant_id: str, *, lane: str, holder: str, deadline: float) -> AbstractContextManager[Permit]:
        """A permit for one request to `tenant_id`, held inside the returned context manager.

        `lane` is the priority class, `holder` names the work that holds the permit, and `deadline` is the number of
        seconds within which the request ends. May wait briefly, well within the deadline; otherwise it raises
        `QuotaDeferred`.
        """


class UnlimitedPermit:
    """A permit that counts nothing."""

    def calibrate(self, headers: Mapping[str, str]) -> None:
        """Do nothing."""

    def release(self) -> None:
        """Do nothing."""


class UnlimitedLimiter:
    """A limiter without limits, for tests and tools that use a simulator."""

    @contextmanager
    def acquire(self, tenant_id: str, *, lane: str, holder: str, deadline: float) -> Iterator[Permit]:  # noqa: ARG002
        """A permit at once."""
        yield UnlimitedPermit()
