"""The quota's ledger in Redis, read and changed by one script only. Seconds here, microseconds in the script.

All methods raise `redis.RedisError` when Redis is away or refuses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import redis

from xpm.errors import QuotaLimit, QuotaWait
from xpm.quota.limits import DAY_BUCKETS, Limits, Timing

_SCRIPT = (Path(__file__).parent / "script.lua").read_text(encoding="utf-8")
_COUNT = re.compile(r"[0-9]{1,9}")
_SECOND = 1_000_000
_REMAINING_HEADERS = {
    "x-minlimit-remaining": "minute",
    "x-daylimit-remaining": "day",
    "x-appminlimit-remaining": "app_minute",
}


@dataclass(frozen=True, slots=True)
class Refused:
    """No permit: the limit with the longest wait, and that wait."""

    limit: QuotaWait
    wait_seconds: float


@dataclass(frozen=True, slots=True)
class Status:
    """What one tenant has used, and what blocks it.

    concurrent, minute, day, app_minute: calls used of each limit. paced: calls that background lanes may make at once.
    known: whether the ledger knows XPM's counts; if not, one probe goes first, and `probing` says that it is running.
    closed_seconds: how long no permits are given after Redis lost its memory. parked_by, parked_seconds: the 429 that
    parks the tenant. app_parked_seconds: how long a 429 parks all tenants. No number of seconds is below 0.
    """

    concurrent: int
    minute: int
    day: int
    app_minute: int
    paced: int
    known: bool
    probing: bool
    closed_seconds: float
    parked_by: QuotaLimit | None
    parked_seconds: float
    app_parked_seconds: float


class Ledger:
    """The ledger on one Redis.

    Args:
        client: decodes no responses.
        namespace: prefix of every key; the rest is tenant ids and fixed words.
        clock: seconds, instead of Redis's clock; for tests only, because workers' clocks disagree.
    """

    def __init__(
        self,
        client: redis.Redis,
        namespace: str,
        limits: Limits,
        timing: Timing,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._script = client.register_script(_SCRIPT)
        self._namespace = namespace
        self._clock = clock
        self._rules = {background: _rules(limits, timing, background) for background in (False, True)}

    def take(self, tenant_id: str, permit: str, *, background: bool, lease_seconds: float) -> int | Refused:
        """Take a permit within every limit, or none at all. Returns when it was given, in Redis's microseconds."""
        given, limit, micros = self._run(
            "take", tenant_id, background=background, permit=permit, lease=_micros(lease_seconds)
        )
        return int(micros) if given else Refused(cast(QuotaWait, limit.decode()), int(micros) / _SECOND)

    def renew(self, tenant_id: str, held: Mapping[str, float]) -> None:
        """Extend these permits' leases to so many seconds from now, even if Redis had forgotten them."""
        self._run("renew", tenant_id, held=[[permit, _micros(seconds)] for permit, seconds in held.items()])

    def release(self, tenant_id: str, permit: str) -> None:
        """End a call: it leaves the concurrent calls now, and the minute's calls a minute later."""
        self._run("release", tenant_id, permit=permit)

    def calibrate(self, tenant_id: str, permit: str, given_at: int, headers: Mapping[str, str]) -> None:
        """Add the calls that XPM has counted and we have not, according to its headers (lower-case names)."""
        reported = {name: headers[header] for header, name in _REMAINING_HEADERS.items() if header in headers}
        remaining = {name: int(value) for name, value in reported.items() if _COUNT.fullmatch(value)}
        if remaining:
            self._run("calibrate", tenant_id, permit=permit, since=given_at, remaining=remaining)

    def park(self, tenant_id: str, limit: QuotaLimit, wait_seconds: float) -> None:
        """Stop all calls for `wait_seconds`: of this tenant, or of every tenant if the limit is the app's."""
        self._run("park", tenant_id, limit=limit, wait=_micros(wait_seconds))

    def open(self) -> None:
        """Give permits at once, although this Redis is new: the caller knows that nobody holds one."""
        self._run("open", tenant_id="")

    def look(self, tenant_id: str, *, background: bool) -> Status:
        """What is used, and what blocks further calls."""
        found = self._run("look", tenant_id, background=background)
        concurrent, minute, day, app_minute, paced, known, probing, closed, parked_by, parked, app_parked = found
        parked_seconds = _seconds(parked)
        return Status(
            concurrent=concurrent,
            minute=minute,
            day=day,
            app_minute=app_minute,
            paced=paced,
            known=bool(known),
            probing=bool(probing),
            closed_seconds=_seconds(closed),
            parked_by=cast(QuotaLimit, parked_by.decode()) if parked_seconds else None,
            parked_seconds=parked_seconds,
            app_parked_seconds=_seconds(app_parked),
        )

    def _run(self, command: str, tenant_id: str, *, background: bool = False, **ask: Any) -> Any:
        if self._clock is not None:
            ask["now"] = _micros(self._clock())
        prefix = f"{self._namespace}:quota"
        tenant = f"{prefix}:tenant:{tenant_id}"
        keys = [f"{prefix}:memory", f"{prefix}:app", f"{prefix}:app:minute",
                tenant, f"{tenant}:calls", f"{tenant}:minute", f"{tenant}:day"]  # fmt: skip
        return self._script(keys=keys, args=[command, self._rules[background], json.dumps(ask)])


def _rules(limits: Limits, timing: Timing, background: bool) -> str:
    return json.dumps(
        {
            "limits": asdict(limits),
            "caps": asdict(limits.for_background() if background else limits),
            "background": background,
            "minute": _micros(timing.minute),
            "day": _micros(timing.day),
            "bucket": _micros(timing.day / DAY_BUCKETS),
            "lease": _micros(timing.lease_seconds),
            "closed": _micros(timing.renew_seconds * 2),
            "brief": _micros(timing.brief),
        }
    )


def _micros(seconds: float) -> int:
    return round(seconds * _SECOND)


def _seconds(micros: bytes) -> float:
    return max(0, int(micros)) / _SECOND
