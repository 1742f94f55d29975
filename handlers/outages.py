"""Servers that many jobs need, and their outages: the mail server and XPM.

What concerns all jobs of a server is met by one job at a time. After a few failures without an answer the server counts as
away: its jobs wait as a deferral, which uses up no attempt, one probe is made at a time, at growing intervals, and its end
wakes them. Mailer and limiter are wrapped, so every call passes here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import structlog

from config.sources import Sources
from handlers.errors import Deferred, OutcomeUnknown, Transient
from handlers.services import Mailer
from portal_db.database import DATABASE_AWAY, Database
from portal_db.types import database_time
from portal_db.work import outages
from xpm import errors as xpm_errors
from xpm.limiter import Limiter, Permit

log = structlog.stdlib.get_logger(__name__)

#: So many failures without an answer, and the server counts as away.
OPENS_AFTER = 3
#: Probes are made at doubling intervals from the first to the longest, in seconds.
FIRST_PROBE_SECONDS, LONGEST_PROBE_SECONDS = 1.0, 60.0
#: How long one probe may take before another is made. No time between probes is longer.
PROBE_SECONDS = 120.0
#: A waiting job looks again after this time, although the end of the outage wakes it (P17).
RECHECK_SECONDS = 600.0
#: How long a process goes on without looking whether a server is away.
LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class Upstream:
    """A server: its name in the record, and in words for people."""

    name: str
    words: str

    @property
    def code(self) -> str:
        """The error code of jobs that wait for its return."""
        return f"{self.name}_outage"


MAIL = Upstream("mail", "the mail server")
XPM = Upstream("xpm", "XPM")
UPSTREAM_OF = {upstream.code: upstream for upstream in (MAIL, XPM)}


@dataclass(frozen=True)
class Trouble:
    """A failure of the server: what is wrong, whether it concerns everybody's work or perhaps only the caller's, and whether
    the server may have done what was asked: then the caller is told just that, and not that the server is away."""

    reason: str
    of_all: bool
    may_be_done: bool = False


#: What an error says of its server: a trouble, or whether it is an answer all the same.
Judge = Callable[[Exception], Trouble | bool]


class Standing(Enum):
    """How a server stands: well, with a few failures counted since its last answer, or away and probed by this call."""

    WELL = auto()
    FAILING = auto()
    PROBED = auto()


class Away(Exception):
    """The server is away, and it is not this caller's turn to try it."""

    def __init__(self, upstream: Upstream, reason: str, wait_seconds: float) -> None:
        super().__init__(f"{upstream.words} {reason}")
        self.upstream = upstream
        self.reason = reason
        self.wait_seconds = wait_seconds

    def as_deferred(self) -> Deferred:
        return Deferred(
            self.upstream.code,
            f"Waiting for {self.upstream.words}, which {self.reason}",
            wait_seconds=self.wait_seconds,
        )


class Outages:
    """Watches the calls of one process."""

    def __init__(self, database: Database, sources: Sources) -> None:
        self._database = database
        self._sources = sources
        self._well_until: dict[str, float] = {}

    @contextmanager
    def watch(self, upstream: Upstream, holder: str, judge: Judge) -> Iterator[None]:
        """Let one call of the server through.

        Args:
            holder: names the work; failures that may be about it alone count once.

        Raises:
            Away: before the call, while another caller probes; after it, if its failure is one too many.
        """
        standing = self._enter(upstream)
        try:
            yield
        except Exception as error:
            verdict = judge(error)
            if isinstance(verdict, Trouble):
                away = self._fail(upstream, holder, verdict)
                if away is not None and not verdict.may_be_done:
                    raise away from error
            elif verdict and standing is not Standing.WELL:
                self._end(upstream)
            elif standing is Standing.PROBED:
                self._give_back_probe(upstream)
            raise
        if standing is not Standing.WELL:
            self._end(upstream)

    def _enter(self, upstream: Upstream) -> Standing:
        """How the server stands at this call, which is the probe if it counts as away.

        Raises:
            Away: another caller probes it.
        """
        now = self._sources.monotonic()
        if now < self._well_until.get(upstream.name, now):
            return Standing.WELL
        with self._database.glance() as tx:
            outage = outages.get(tx, upstream.name)
            wait = (outage.next_probe_at - database_time(tx.session)).total_seconds() if outage is not None else 0.0
        if outage is None:
            self._well_until[upstream.name] = now + LOOK_SECONDS
            return Standing.WELL
        if outage.failures < OPENS_AFTER:
            return Standing.FAILING
        with self._database.write() as tx:
            is_probe = not 0 < wait <= PROBE_SECONDS and outages.take_probe(tx, upstream.name, seconds=PROBE_SECONDS)
        if not is_probe:
            raise Away(upstream, outage.reason, RECHECK_SECONDS)
        return Standing.PROBED

    def _fail(self, upstream: Upstream, holder: str, trouble: Trouble) -> Away | None:
        """Count a failure. `None`: not enough of them yet, or the database could not."""
        self._well_until.pop(upstream.name, None)
        try:
            with self._database.write() as tx:
                failures = outages.count_failure(
                    tx, upstream.name, reason=trouble.reason, holder=holder[:200], of_all=trouble.of_all
                )
                if failures < OPENS_AFTER:
                    return None
                longest = min(LONGEST_PROBE_SECONDS, FIRST_PROBE_SECONDS * 2 ** min(failures - OPENS_AFTER, 30))
                seconds = self._sources.random.uniform(longest / 2, longest)
                outages.plan_probe(tx, upstream.name, upstream.code, seconds=seconds)
        except DATABASE_AWAY as error:
            log.warning("outage.not_counted", upstream=upstream.name, exc_info=error)
            return None
        log.error(
            "outage.goes_on" if failures > OPENS_AFTER else "outage.began", upstream=upstream.name, count=failures
        )
        return Away(upstream, trouble.reason, seconds)

    def _give_back_probe(self, upstream: Upstream) -> None:
        """Let another make the probe that this caller did not: what stopped it, as a quota that is used up, says nothing of
        the server. If the database cannot, the probe is due again when its time is over."""
        with suppress(*DATABASE_AWAY), self._database.write() as tx:
            outages.plan_probe(tx, upstream.name, upstream.code, seconds=0)

    def _end(self, upstream: Upstream) -> None:
        """End the outage that this answer belies. If the database cannot, the next answer does: the call has been made, and
        an error of ours would look as if nothing had been sent (invariant 3)."""
        try:
            with self._database.write() as tx:
                waited = outages.end(tx, upstream.name, upstream.code)
        except DATABASE_AWAY as error:
            log.warning("outage.not_ended", upstream=upstream.name, exc_info=error)
            return
        if waited is not None:
            log.info("outage.ended", upstream=upstream.name, count=waited)


class WatchedMailer:
    """A mailer that waits while its server is away."""

    def __init__(self, mailer: Mailer, watched: Outages) -> None:
        self._mailer = mailer
        self._outages = watched

    def send(self, message: Any, recipient: str) -> None:
        """Send, as the mailer does.

        Raises:
            Deferred: the server is away; nothing was sent.
        """
        try:
            with self._outages.watch(MAIL, str(message["Message-ID"]), _judge_mail):
                self._mailer.send(message, recipient)
        except Away as away:
            raise away.as_deferred() from away

    def close(self) -> None:
        self._mailer.close()


class WatchedLimiter:
    """A limiter that gives no permit while XPM is away, except for one probe at a time."""

    def __init__(self, limiter: Limiter, watched: Outages) -> None:
        self._limiter = limiter
        self._outages = watched

    @contextmanager
    def acquire(self, tenant_id: str, *, lane: str, holder: str, deadline: float) -> Iterator[Permit]:
        """A permit, as the limiter gives it.

        Raises:
            XpmAway: XPM is away; nothing was sent, or the failure of what was sent is one too many.
        """
        try:
            with (
                self._outages.watch(XPM, holder, _judge_xpm),
                self._limiter.acquire(tenant_id, lane=lane, holder=holder, deadline=deadline) as permit,
            ):
                yield permit
        except Away as away:
            raise xpm_errors.XpmAway(away.reason, away.wait_seconds) from away


#: What is wrong with the mail server, by the mailer's error codes; whether it is about everybody's email.
_MAIL_TROUBLES: Mapping[str, Trouble] = {
    "smtp_unreachable": Trouble("cannot be reached", of_all=True),
    "smtp_certificate": Trouble("has a certificate that is not valid", of_all=True),
    "smtp_refuses_us": Trouble("does not accept our email at present", of_all=True),
    "smtp_policy": Trouble("does not accept our email at present", of_all=False),
}


def _judge_mail(error: Exception) -> Trouble | bool:
    match error:
        case OutcomeUnknown():
            # Or a whole batch would be of unknown outcome, one email after the other.
            return Trouble("accepts emails without confirming them", of_all=False, may_be_done=True)
        case Transient():
            return _MAIL_TROUBLES.get(error.code, True)
        case _:
            return True


def _judge_xpm(error: Exception) -> Trouble | bool:
    match error:
        case xpm_errors.XpmUnreachable():
            return Trouble("cannot be reached", of_all=True)
        case xpm_errors.XpmServerError():
            return Trouble("answers with errors", of_all=False)
        case xpm_errors.XpmTimeout():
            return Trouble("does not answer in time", of_all=False)
        case xpm_errors.XpmForeign():
            return Trouble("cannot be reached: something else answers in its place", of_all=False)
        case xpm_errors.QuotaDeferred() | xpm_errors.XpmAway():
            return False
        case _:
            return isinstance(error, xpm_errors.XpmError)
