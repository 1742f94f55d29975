"""Reconcile: compares the record with itself, with the queue and with XPM; repairs what is safe and reports the rest.

Safe beside live workers and twice at once: each repair is a compare-and-set on what was found, and checks it again. With
`dry_run` nothing is written, rung, dropped or asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Protocol, TypeVar
from uuid import UUID

from handlers.jobs.kinds import JobKind
from handlers.operations import gone_links, missing_jobs
from handlers.services import Services
from portal_db import audit, welcome_emails
from portal_db.clients import links
from portal_db.database import Database
from portal_db.states import Lane
from portal_db.upkeep import discrepancies, retention
from portal_db.work import jobs, leaders
from portal_db.xero import handover, reconnect_notices
from portal_db.xero import logins as xero_logins


class Became(StrEnum):
    """What was done about a finding."""

    REPAIRED = "repaired"
    #: A dry run: it would be.
    REPAIRABLE = "repairable"
    NEEDS_PERSON = "needs a person"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be. `subject` is an id, or a name of ours; never a person's."""

    code: str
    subject: str
    became: Became
    #: What was done, where that differs from finding to finding.
    done: str | None = None


T = TypeVar("T")

CHUNK = 200

#: Told how many links of how many were looked for.
Progress = Callable[[int, int], None]


class QueueAway(Exception):
    """The queue cannot be reached."""


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """A message on a lane's queue. `job_id` is `None` for one that cannot be read."""

    lane: Lane
    message_id: str
    job_id: UUID | None


class Queues(Protocol):
    """What reconcile needs of the queue. Every method raises `QueueAway`."""

    def ring(self, lane: Lane, job_ids: Sequence[UUID]) -> None: ...

    def entries(self) -> Iterator[QueueEntry]:
        """Messages on the lanes' queues that no worker holds; not those of the door."""

    def drop(self, entries: Sequence[QueueEntry]) -> int:
        """Drop messages that no worker holds; how many were there to drop."""

    def requests_waiting(self) -> int:
        """How many requests wait at the queue door; they are personal, and only counted."""

    def accepted(self) -> Iterator[UUID]:
        """The imports that receipts say were accepted."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one run found. `requests_waiting` is `None` when the queue is away."""

    findings: Sequence[Finding]
    requests_waiting: int | None
    links_checked: int
    links_left: int

    @property
    def needs_person(self) -> bool:
        return any(finding.became is Became.NEEDS_PERSON for finding in self.findings)


@dataclass(frozen=True)
class _Look:
    """One run: what it works on, and whether it may change anything."""

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
    """Look everywhere once."""
    run = _Look(services, queues, dry_run)
    findings = [*_leadership(run), *_leases(run), *_imports(run), *_emails(run), *_secrets(run)]
    waiting: int | None = None
    try:
        findings += [*_overdue(run), *_messages(run), *_receipts(run)]
        waiting = queues.requests_waiting()
    except QueueAway:
        findings.append(Finding("redis_away", "Redis", Became.NEEDS_PERSON))
    looked = gone_links.Looked(0, 0)
    if not dry_run and max_links:
        looked = gone_links.look(services, limit=max_links, progress=progress)
    findings += _links(run)
    return Report(findings, waiting, looked.checked, looked.left)


def _leadership(run: _Look) -> Iterator[Finding]:
    with run.database.read() as tx:
        if not leaders.is_held(tx, leaders.RELAY):
            yield Finding("no_relay", leaders.RELAY, Became.NEEDS_PERSON)


def _leases(run: _Look) -> Iterator[Finding]:
    """What the relay does each second; here for when there is none."""
    with run.database.read() as tx:
        lost = discrepancies.expired_leases(tx)
    if lost and not run.dry_run:
        with run.database.write() as tx:
            jobs.take_back_expired(tx)
    yield from (Finding("lease_expired", str(job_id), run.repaired) for job_id in lost)


def _imports(run: _Look) -> Iterator[Finding]:
    for import_id in _import_ids(run.database):
        if run.dry_run:
            yield Finding("import_without_job", str(import_id), Became.REPAIRABLE)
            continue
        done = missing_jobs.mend(run.database, import_id)
        if done is not None:
            yield Finding("import_without_job", str(import_id), Became.REPAIRED, done)


def _import_ids(database: Database) -> Iterator[UUID]:
    after: UUID | None = None
    while True:
        with database.read() as tx:
            page = discrepancies.imports_without_job(tx, after=after)
        yield from page
        if not page:
            return
        after = page[-1]


def _overdue(run: _Look) -> Iterator[Finding]:
    with run.database.read() as tx:
        late = discrepancies.overdue(tx, per_group=run.services.settings.ring_limit)
    unrung = [job for job in late if not job.is_rung]
    if not run.dry_run and unrung:
        with run.database.write() as tx:
            # Inside the transaction, as the relay does: if Redis fails, nothing counts as rung.
            for lane, job_id in discrepancies.mark_rung(tx, [job.job_id for job in unrung]):
                run.queues.ring(lane, [job_id])
    yield from (Finding("job_overdue", str(job.job_id), run.repaired) for job in unrung)
    yield from (Finding("job_not_taken", str(job.job_id), Became.NEEDS_PERSON) for job in late if job.is_rung)


def _messages(run: _Look) -> Iterator[Finding]:
    for chunk in _in_chunks(run.queues.entries()):
        with run.database.read() as tx:
            idle = discrepancies.finished_or_unknown(tx, [entry.job_id for entry in chunk if entry.job_id is not None])
        useless = [entry for entry in chunk if entry.job_id is None or entry.job_id in idle]
        if useless and not run.dry_run:
            run.queues.drop(useless)
        yield from (
            Finding("message_without_job", f"{entry.lane.value}/{entry.message_id}", run.repaired) for entry in useless
        )


def _receipts(run: _Look) -> Iterator[Finding]:
    for chunk in _in_chunks(run.queues.accepted()):
        with run.database.read() as tx:
            unknown = discrepancies.unknown_imports(tx, chunk)
        yield from (
            Finding("receipt_without_import", str(import_id), Became.NEEDS_PERSON) for import_id in sorted(unknown)
        )


def _emails(run: _Look) -> Iterator[Finding]:
    with run.database.read() as tx:
        welcomes = discrepancies.abandoned_welcomes(tx, kind=JobKind.SEND_WELCOME_EMAIL)
        reconnects = discrepancies.abandoned_notices(tx, kind=JobKind.SEND_RECONNECT_NOTICE)
    if not run.dry_run:
        with run.database.write() as tx:
            for email_id in welcomes:
                welcome_emails.mark_unknown(tx, email_id)
            for notice_id in reconnects:
                reconnect_notices.mark_unknown(tx, notice_id)
    yield from (Finding("email_abandoned", str(email_id), Became.NEEDS_PERSON) for email_id in welcomes + reconnects)


def _secrets(run: _Look) -> Iterator[Finding]:
    """What is kept encrypted past its time: consents that ended, tokens that nothing uses."""
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
    yield from (Finding("consent_expired", str(consent_id), run.repaired) for consent_id in consents)
    yield from (Finding("login_unused", str(login.id), run.repaired) for login in logins)


def _links(run: _Look) -> Iterator[Finding]:
    with run.database.read() as tx:
        yield from (
            Finding("link_gone", str(link.client_id), Became.NEEDS_PERSON) for link in links.links_without_record(tx)
        )
        behind = handover.orphaned_connections(tx)
    yield from (Finding("owner_left", str(each.connection_id), Became.NEEDS_PERSON) for each in behind)


def _in_chunks(rows: Iterable[T]) -> Iterator[list[T]]:
    left = iter(rows)
    while chunk := list(islice(left, CHUNK)):
        yield chunk


@dataclass(frozen=True, slots=True)
class FindingText:
    """What a code stands for: what was found, and what its reader can do where it was not repaired."""

    words: str
    remedy: str


FINDING_TEXTS: dict[str, FindingText] = {
    "import_without_job": FindingText(
        "Open imports that nothing carries on.", "Look at one: portal-sync imports show ID."
    ),
    "job_overdue": FindingText(
        "Jobs due for over a minute that nobody was told of.", "Start the relay, and Redis if it is away."
    ),
    "job_not_taken": FindingText(
        "Jobs due for over a minute that no worker takes.", "Start a worker for their lane (see the Procfile)."
    ),
    "lease_expired": FindingText("Running jobs whose worker is gone.", "Start the relay; it takes them back."),
    "no_relay": FindingText(
        "No relay leads: batches, retries and the nightly work stand still.", "Start portal-sync relay."
    ),
    "redis_away": FindingText(
        "Redis does not answer; nothing is lost, and nothing starts.", "Bring Redis back, then reconcile again."
    ),
    "message_without_job": FindingText(
        "Messages in Redis whose job is finished or unknown.", "Bring Redis back, then reconcile again."
    ),
    "receipt_without_import": FindingText(
        "Requests that were accepted and are not in the record: an older backup was put back.",
        "Have their senders send them again, under the same request ids.",
    ),
    "email_abandoned": FindingText(
        "Emails that were being sent when their job ended: marked unknown.",
        "Ask the client; then portal-sync emails resend, or mark-delivered.",
    ),
    "consent_expired": FindingText("Consents at Xero that nobody came back for.", ""),
    "login_unused": FindingText("Xero tokens that no connection uses.", ""),
    "owner_left": FindingText(
        "Connections to XPM whose owner has left, with clients that hang on them.",
        "Move them to a colleague: portal-sync connection reassign CONNECTION --to STAFF.",
    ),
    "link_gone": FindingText(
        "Clients whose XPM record is gone.",
        "Tell the practice: restore the record in XPM, or disconnect the client from it.",
    ),
}
