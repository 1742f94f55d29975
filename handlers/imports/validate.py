"""validate_import: checks every business rule that decides whether a request may become a client.

These are early answers. Where two requests could race (for the email address or the XPM record), unique indexes decide
again when the client is created.
"""

from __future__ import annotations

from collections.abc import Sequence

from handlers import refusals
from handlers.directory.classification import Words, kinds_of
from handlers.directory.lookup import FetchedRecord, store_record
from handlers.directory.structures import words_of
from handlers.email import addresses
from handlers.imports.request import ImportWishes
from handlers.jobs.enqueue import FollowUp
from handlers.jobs.kinds import JobKind
from portal_db.access import people
from portal_db.clients import clients
from portal_db.database import Tx
from portal_db.states import ClientKind, ErrorClass
from portal_db.tables import Import, Job
from portal_db.work import imports
from portal_db.work.jobs import Failure

MAX_NAME = 500


def apply(tx: Tx, job: Job, row: Import, seen: FetchedRecord) -> Sequence[FollowUp]:
    """Check the rules and store the record; the follow-up creates the client."""
    store_record(tx, seen)
    require_fit(row, seen, words_of(tx, row.practice_id))
    _require_first(tx, row)
    imports.resolve(tx, row.id, None if row.kind is ClientKind.ENTITY else _require_free_email(tx, row, seen))
    return [creation_follow_up(row)]


def on_failure(tx: Tx, job: Job, failure: Failure) -> None:
    """A row that failed once no longer holds back later rows of its batch (b.30); waiting for the quota is no failure."""
    if job.import_id is not None and failure.error_class is not ErrorClass.DEFERRED:
        imports.resolve(tx, job.import_id)


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


def _require_first(tx: Tx, row: Import) -> None:
    if clients.record_is_linked(tx, row.practice_id, row.xpm_uuid):
        raise refusals.ALREADY_LINKED()
    if imports.older_open_import_of_record(tx, row):
        raise refusals.ALREADY_BEING_IMPORTED()


def _require_free_email(tx: Tx, row: Import, seen: FetchedRecord) -> str:
    _, email_key = login_email(row.email or seen.record.email)
    if people.email_in_use(tx, email_key) or imports.earlier_claim_on_email(tx, row, email_key):
        raise refusals.EMAIL_TAKEN()
    return email_key
