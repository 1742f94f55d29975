"""Reconcile: compares the database with itself, with the queue and with XPM; repairs what is safe and reports the rest.

It is safe while workers run, and in two processes at once: each repair is a compare-and-set on what was found. With
`dry_run` it writes, rings and drops nothing, and does not call XPM.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Protocol, TypeVar
from uuid import UUID

from handlers.jobs.kinds import JobKind
from handlers.operations.check_links import LinksChecked, check_links
from handlers.operations.repair_import import repair_import
from handlers.outages import OPENS_AFTER
from handlers.services import Services
from portal_db import audit, welcome_emails
from portal_db.clients import links
from portal_db.database import Database
from portal_db.directory import schedules
from portal_db.states import Lane
from portal_db.upkeep import discrepancies, retention
from portal_db.work import jobs, leaders, outages
from portal_db.work.aside import waiting_aside
from portal_db.xero import handover, reconnect_notices
from portal_db.xero import logins as xero_logins


class Became(StrEnum):
    """What was done about a finding."""

    REPAIRED = "repaired"
    #: In a dry run: it would be repaired.
    REPAIRABLE = "repairable"
    NEEDS_PERSON = "needs a person"


@dataclass(frozen=True, slots=True)
class Finding:
    """One discrepancy. `subject` is an id or an internal name, never personal data."""

    code: str
    subject: str
    became: Became
    #: What was done, if that differs between findings of the code.
    done: str | None = None


T = TypeVar("T")

CHUNK = 200

#: Called with the number of links checked so far, and of all to check.
Progress = Callable[[int, int], None]


class QueueAway(Exception):
    """The queue cannot be reached."""


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """A message on a lane's queue, with the jobs that it rings: none if it cannot be read."""

    lane: Lane
    message_id: str
    job_ids: frozenset[UUID]


class Queues(Protocol):
    """What reconcile needs of the queue. Every method may raise `QueueAway`."""

    def ring(self, lane: Lane, job_ids: Sequence[UUID]) -> None: ...

    def entries(self) -> Iterator[QueueEntry]:
        """Messages on the lanes' queues that no worker holds, without those at the queue door."""

    def drop(self, entries: Sequence[QueueEntry]) -> int:
        """Drop messages that no worker holds; returns how many were dropped."""

    def requests_waiting(self) -> int:
        """How many requests wait at the queue door. They hold personal data, so they are only counted."""

    def accepted(self) -> Iterator[UUID]:
        """The ids of imports that were accepted by receipts."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one run found. `requests_waiting` is `None` if Redis is away."""

    findings: Sequence[Finding]
    requests_waiting: int | None
    links_checked: int
    links_left: int

    @property
    def needs_person(self) -> bool:
        return any(finding.became is Became.NEEDS_PERSON for finding in self.findings)


@dataclass(frozen=True)
class _Run:
    """One run, and whether it may change anything."""

    services: Services
    queues: Queues
    dry_run: bool

    @property
    def database(self) -> Database:
        return self.services.database

    @property
    def repaired(self) -> Became:
        return Became.REPAIRABLE if self.dry_run else Became.REPAIRED


def reconcile(
    services: Services, queues: Queues, *, dry_run: bool, max_links: int, progress: Progress = lambda *_: None
) -> Report:
    """Check everything once."""
    run = _Run(services, queues, dry_run)
    findings = [*_leadership(run), *_unknown_kinds(run), *_outages(run), *_leases(run)]
    findings += [*_imports(run), *_emails(run), *_secrets(run)]
    waiting: int | None = None
    try:
        findings += [*_overdue(run), *_messages(run), *_receipts(run)]
        waiting = queues.requests_waiting()
    except QueueAway:
        findings.append(Finding("redis_away", "Redis", Became.NEEDS_PERSON))
    checked = LinksChecked(0, 0)
    if not dry_run and max_links:
        checked = check_links(services, limit=max_links, progress=progress)
    findings += _links(run)
    return Report(findings, waiting, checked.checked, checked.left)


def _leadership(run: _Run) -> Iterator[Finding]:
    with run.database.read() as tx:
        if not leaders.is_held(tx, leaders.RELAY):
            yield Finding("no_relay", leaders.RELAY, Became.NEEDS_PERSON)
        ahead = schedules.planned_ahead(tx)
    yield from _findings("schedule_ahead", (schedule.name for schedule in ahead), Became.NEEDS_PERSON)


def _unknown_kinds(run: _Run) -> Iterator[Finding]:
    with run.database.read() as tx:
        aside = waiting_aside(tx)
    names = (f"{each.lane.value}/{each.kind}: {each.jobs} waiting" for each in aside)
    yield from _findings("kind_unknown", names, Became.NEEDS_PERSON)


def _outages(run: _Run) -> Iterator[Finding]:
    with run.database.read() as tx:
        away = outages.current(tx, failures=OPENS_AFTER)
    yield from _findings("upstream_away", (f"{one.upstream}: {one.reason}" for one in away), Became.NEEDS_PERSON)


def _leases(run: _Run) -> Iterator[Finding]:
    """Take back expired leases, as the relay does each second."""
    with run.database.read() as tx:
        lost = discrepancies.expired_leases(tx)
    if lost and not run.dry_run:
        with run.database.write() as tx:
            jobs.take_back_expired(tx)
    yield from _findings("lease_expired", lost, run.repaired)


def _imports(run: _Run) -> Iterator[Finding]:
    after: UUID | None = None
    while True:
        with run.database.read() as tx:
            found = discrepancies.imports_without_job(tx, after=after)
        if not found:
            return
        after = found[-1]
        for import_id in found:
            done = None if run.dry_run else repair_import(run.database, import_id)
            if run.dry_run or done is not None:
                yield Finding("import_without_job", str(import_id), run.repaired, done)


def _overdue(run: _Run) -> Iterator[Finding]:
    with run.database.read() as tx:
        late = discrepancies.overdue(tx, per_group=run.services.settings.ring_limit)
    unrung = [job for job in late if not job.is_rung]
    if not run.dry_run and unrung:
        with run.database.write() as tx:
            # Inside the transaction, as in the relay: if Redis fails, nothing counts as rung.
            for lane, job_id in discrepancies.mark_rung(tx, [job.job_id for job in unrung]):
                run.queues.ring(lane, [job_id])
    yield from _findings("job_overdue", (job.job_id for job in unrung), run.repaired)
    yield from _findings("job_not_taken", (job.job_id for job in late if job.is_rung), Became.NEEDS_PERSON)


def _messages(run: _Run) -> Iterator[Finding]:
    for chunk in _in_chunks(run.queues.entries()):
        with run.database.read() as tx:
            idle = discrepancies.finished_or_unknown(tx, frozenset().union(*(entry.job_ids for entry in chunk)))
        useless = [entry for entry in chunk if entry.job_ids <= idle]
        if useless and not run.dry_run:
            run.queues.drop(useless)
        names = (f"{entry.lane.value}/{entry.message_id}" for entry in useless)
        yield from _findings("message_without_job", names, run.repaired)


def _receipts(run: _Run) -> Iterator[Finding]:
    for chunk in _in_chunks(run.queues.accepted()):
        with run.database.read() as tx:
            unknown = discrepancies.unknown_imports(tx, chunk)
        yield from _findings("receipt_without_import", sorted(unknown), Became.NEEDS_PERSON)


def _emails(run: _Run) -> Iterator[Finding]:
    with run.database.read() as tx:
        welcomes = discrepancies.abandoned_welcomes(tx, kind=JobKind.SEND_WELCOME_EMAIL)
        reconnects = discrepancies.abandoned_notices(tx, kind=JobKind.SEND_RECONNECT_NOTICE)
    if not run.dry_run:
        with run.database.write() as tx:
            for email_id in welcomes:
                welcome_emails.mark_unknown(tx, email_id)
            for notice_id in reconnects:
                reconnect_notices.mark_unknown(tx, notice_id)
    yield from _findings("email_abandoned", welcomes + reconnects, Became.NEEDS_PERSON)


def _secrets(run: _Run) -> Iterator[Finding]:
    """Delete encrypted values that are no longer needed: ended consents, and tokens that nothing uses."""
    ended = retention.RULES["ended consents"]
    with run.database.read() as tx:
        consents = retention.find(tx, ended, 0, after=None, limit=CHUNK)
        logins = discrepancies.unused_logins(tx, leaving_kind=JobKind.LEAVE_XERO)
    if not run.dry_run:
        with run.database.write() as tx:
            retention.drop(tx, ended, 0, consents)
            for login in logins:
                if xero_logins.delete_tokens(tx, login.id, version=login.version):
                    audit.record(
                        tx, action="xero_login.forget", subject="xero_login", subject_id=login.id, practice_id=None
                    )
    yield from _findings("consent_expired", consents, run.repaired)
    yield from _findings("login_unused", (login.id for login in logins), run.repaired)


def _links(run: _Run) -> Iterator[Finding]:
    with run.database.read() as tx:
        gone = links.links_without_record(tx)
        orphaned = handover.orphaned_connections(tx)
    yield from _findings("link_gone", (link.client_id for link in gone), Became.NEEDS_PERSON)
    yield from _findings("owner_left", (each.connection_id for each in orphaned), Became.NEEDS_PERSON)


def _findings(code: str, subjects: Iterable[object], became: Became) -> list[Finding]:
    return [Finding(code, str(subject), became) for subject in subjects]


def _in_chunks(rows: Iterable[T]) -> Iterator[list[T]]:
    left = iter(rows)
    while chunk := list(islice(left, CHUNK)):
        yield chunk


@dataclass(frozen=True, slots=True)
class FindingText:
    """What a code means, and what to do about findings that were not repaired."""

    words: str
    remedy: str


FINDING_TEXTS: dict[str, FindingText] = {
    "import_without_job": FindingText(
        "Open imports without an open job.", "Look at one of them: portal-sync imports show ID."
    ),
    "job_overdue": FindingText(
        "Jobs that have been due for over a minute, or since a clock went back, and were not rung.",
        "Start the relay, and Redis if it is away.",
    ),
    "job_not_taken": FindingText(
        "Jobs that have been due for over a minute and that no worker claims.",
        "Start a worker for their lane (see the Procfile).",
    ),
    "lease_expired": FindingText(
        "Running jobs whose worker stopped responding, or whose lease outlived a clock that went back.",
        "Start the relay, which takes them back.",
    ),
    "no_relay": FindingText(
        "No relay is running: batches, retries and the nightly work do not start.", "Start portal-sync relay."
    ),
    "schedule_ahead": FindingText(
        "Schedules that were planned before the database's clock went back.",
        "Start the relay, which plans them again.",
    ),
    "kind_unknown": FindingText(
        "Jobs that wait because no running worker knows their kind or lane, as a newer release made them.",
        "Finish the deploy: start workers of the release that made them.",
    ),
    "redis_away": FindingText(
        "Redis does not answer. Nothing is lost, but nothing starts.", "Start Redis, then reconcile again."
    ),
    "upstream_away": FindingText(
        "Servers that answer nothing or refuse us. Jobs that need them wait and go on by themselves.",
        "If it lasts: check the server, our password there and its certificate.",
    ),
    "message_without_job": FindingText(
        "Messages in Redis whose job is finished or unknown.", "Start Redis, then reconcile again."
    ),
    "receipt_without_import": FindingText(
        "Requests that were accepted but are not in the database, because an older backup was restored.",
        "Ask their senders to send them again, with the same request ids.",
    ),
    "email_abandoned": FindingText(
        "Emails that were being sent when their job ended, now marked as unknown.",
        "Ask the client, then use portal-sync emails resend or mark-delivered.",
    ),
    "consent_expired": FindingText("Consents at Xero that were not completed.", ""),
    "login_unused": FindingText("Xero tokens that no connection uses.", ""),
    "owner_left": FindingText(
        "Connections to XPM with linked clients whose owner has left.",
        "Move them to a colleague: portal-sync connection reassign CONNECTION --to STAFF.",
    ),
    "link_gone": FindingText(
        "Clients whose XPM record no longer exists.",
        "Ask the practice to restore the record in XPM, or to disconnect the client.",
    ),
}
