"""validate_import: checks every business rule that decides whether a request may become a client.

These are early answers. Where two requests could race (for the email address or the XPM record), unique indexes decide
again when the client is created.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from handlers import refusals
from handlers.access import taken_addresses
from handlers.directory.classification import Words, kinds_of
from handlers.directory.lookup import FetchedRecord, store_records
from handlers.directory.structures import words_of
from handlers.email import addresses
from handlers.errors import Rejected
from handlers.imports.request import ImportWishes
from handlers.jobs.enqueue import FollowUp
from handlers.jobs.handler import Result, Task
from handlers.jobs.kinds import JobKind
from portal_db.database import Tx
from portal_db.states import ClientKind, ErrorClass
from portal_db.tables import Import, Job
from portal_db.work import imports, in_use
from portal_db.work.in_use import InUse
from portal_db.work.jobs import Failure

MAX_NAME = 500


def apply(tx: Tx, tasks: Sequence[Task]) -> list[Result]:
    """Check the rules and store the records; the follow-ups create the clients.

    Raises:
        Deferred: the practice has learned today of too many addresses that they are taken.
    """
    if any(task.row.kind is ClientKind.INDIVIDUAL for task in tasks):
        taken_addresses.require_room_for_jobs(tx, tasks[0].job.practice_id)
    store_records(tx, (task.fetched for task in tasks))
    checks = _Checks.read(tx, tasks)
    results: dict[UUID, Result] = {}
    emails: dict[UUID, str] = {}
    for task in sorted(tasks, key=lambda task: task.row.position or 0):  # b.10: the first in request order wins
        try:
            email_key = checks.require_importable(task.row, task.fetched)
        except Rejected as refusal:
            results[task.job.id] = refusal
            continue
        if email_key is not None:
            emails[task.row.id] = email_key
            checks.take(task.row, email_key)
        results[task.job.id] = [creation_follow_up(task.row)]
    if len(tasks) > 1:  # a single refusal undoes this transaction, and is counted in `on_failure`
        refused = (result for result in results.values() if isinstance(result, Rejected))
        taken_addresses.count(tx, tasks[0].job.practice_id, [each.email_key for each in refused if each.email_key])
    in_batch = {task.row.id for task in tasks if task.row.batch_id is not None}
    imports.resolve(tx, in_batch, {import_id: key for import_id, key in emails.items() if import_id in in_batch})
    return [results[task.job.id] for task in tasks]


def on_failure(tx: Tx, job: Job, failure: Failure) -> None:
    """A row that failed once no longer holds back later rows of its batch (b.30); waiting for the quota is no failure."""
    if job.import_id is not None and failure.error_class is not ErrorClass.DEFERRED:
        imports.resolve(tx, {job.import_id})
    if failure.email_key is not None:
        taken_addresses.count(tx, job.practice_id, [failure.email_key])


@dataclass(frozen=True)
class _Checks:
    """What the record holds about the requests of one set, read once for all of them."""

    words: Words
    in_use: InUse
    claimed: set[UUID]
    taken: set[tuple[UUID | None, str]]

    @classmethod
    def read(cls, tx: Tx, tasks: Sequence[Task]) -> _Checks:
        rows = {task.row.id: task.row for task in tasks}
        practice_id = tasks[0].job.practice_id
        email_keys = {task.row.id: key for task in tasks if (key := _wanted_email(task)) is not None}
        return cls(
            words_of(tx, practice_id),
            in_use.read(tx, rows.values(), email_keys.values()),
            imports.earlier_claims_on_emails(tx, email_keys, rows),
            set(),
        )

    def require_importable(self, row: Import, seen: FetchedRecord) -> str | None:
        """Check all rules. Returns the key of the email that an individual needs.

        Raises:
            Rejected: the first rule that the request breaks.
        """
        require_fit(row, seen, self.words)
        if row.xpm_uuid in self.in_use.linked:
            raise refusals.ALREADY_LINKED()
        if row.id in self.in_use.second:
            raise refusals.ALREADY_BEING_IMPORTED()
        if row.kind is ClientKind.ENTITY:
            return None
        _, email_key = login_email(row.email or seen.record.email)
        if email_key in self.in_use.logins:
            raise refusals.EMAIL_TAKEN().of_login(email_key)
        if row.id in self.claimed or (row.batch_id, email_key) in self.taken:
            raise refusals.EMAIL_TAKEN()
        return email_key

    def take(self, row: Import, email_key: str) -> None:
        """Let later rows of the same batch in this set find the email taken (b.10)."""
        if row.batch_id is not None:
            self.taken.add((row.batch_id, email_key))


def _wanted_email(task: Task) -> str | None:
    if task.row.kind is ClientKind.ENTITY:
        return None
    try:
        return login_email(task.row.email or task.fetched.record.email)[1]
    except Rejected:
        return None


def creation_follow_up(row: Import) -> FollowUp:
    """The job that creates the client of a validated import. In a batch, row order decides about email addresses (b.10)."""
    if row.kind is ClientKind.ENTITY:
        return FollowUp(JobKind.CREATE_ENTITY)
    return FollowUp(JobKind.CREATE_CLIENT, in_batch_order=row.batch_id is not None)


def require_fit(row: Import | ImportWishes, seen: FetchedRecord, words: Words) -> None:
    """Check the rules that depend only on the request and the record.

    Raises:
        Rejected: the record cannot be imported, or not as requested.
    """
    if seen.record.is_deleted:
        raise refusals.XPM_CLIENT_DELETED()
    if seen.record.is_archived:
        raise refusals.XPM_CLIENT_ARCHIVED()
    if row.kind not in kinds_of(seen.record, words):
        both = ("an entity", "an individual")
        actual, requested = both if row.kind is ClientKind.INDIVIDUAL else reversed(both)
        raise refusals.WRONG_KIND(actual=actual, requested=requested)
    if len(row.name or seen.record.name) > MAX_NAME:
        raise refusals.NAME_TOO_LONG(max_length=MAX_NAME)


def login_email(address: str | None) -> tuple[str, str]:
    """The email address of an individual's login, and the key that it is compared by.

    Raises:
        Rejected: it is missing or not valid.
    """
    if not address:
        raise refusals.EMAIL_MISSING()
    return addresses.normalise(address)
