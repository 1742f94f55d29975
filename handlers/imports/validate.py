"""validate_import: every business rule that decides whether a request may become a client, and nothing written if not.

The rules are early answers. Those that two requests could race for (the email, the XPM link) are decided again by unique
indexes when the client is created.
"""

from __future__ import annotations

from collections.abc import Sequence

from handlers import refusals
from handlers.directory import lookup
from handlers.directory.classification import Words, kinds_of
from handlers.directory.lookup import FetchedRecord
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
    """Check the rules; keep what was seen; next comes the creation."""
    lookup.keep(tx, seen)
    require_fit(row, seen, words_of(tx, row.practice_id))
    _require_first(tx, row)
    if row.kind is ClientKind.ENTITY:
        imports.resolve(tx, row.id)
        return [creation_of(row)]
    email_key = _require_email(tx, row, seen)
    imports.resolve(tx, row.id, email_key)
    return [creation_of(row)]


def creation_of(row: Import) -> FollowUp:
    """What creates the client of a validated import; people of a batch take their emails in its order (b.10)."""
    if row.kind is ClientKind.ENTITY:
        return FollowUp(JobKind.CREATE_ENTITY)
    return FollowUp(JobKind.CREATE_CLIENT, in_batch_order=row.batch_id is not None)


def on_failure(tx: Tx, job: Job, failure: Failure) -> None:
    """A row that failed once no longer holds back later rows of its batch (b.30); a quota wait is no failure."""
    if job.import_id is not None and failure.error_class is not ErrorClass.DEFERRED:
        imports.resolve(tx, job.import_id)


def require_fit(row: Import | ImportWishes, seen: FetchedRecord, words: Words) -> None:
    """The rules that the request and the record decide between them, whatever else the portal holds.

    Raises:
        Rejected: the record cannot be imported, or not as what is asked for.
    """
    _require_importable(seen)
    _require_kind(row, seen, words)
    _require_name(row, seen)


def _require_importable(seen: FetchedRecord) -> None:
    if seen.record.is_deleted:
        raise refusals.XPM_CLIENT_DELETED()
    if seen.record.is_archived:
        raise refusals.XPM_CLIENT_ARCHIVED()


def _require_kind(row: Import | ImportWishes, seen: FetchedRecord, words: Words) -> None:
    if row.kind not in kinds_of(seen.record, words):
        both = ("an entity", "an individual")
        actual, requested = both if row.kind is ClientKind.INDIVIDUAL else reversed(both)
        raise refusals.WRONG_KIND(actual=actual, requested=requested)


def _require_name(row: Import | ImportWishes, seen: FetchedRecord) -> None:
    if len(row.name or seen.record.name) > MAX_NAME:
        raise refusals.NAME_TOO_LONG(max_length=MAX_NAME)


def _require_first(tx: Tx, row: Import) -> None:
    if clients.record_is_linked(tx, row.practice_id, row.xpm_uuid):
        raise refusals.ALREADY_LINKED()
    if imports.older_open_import_of_record(tx, row):
        raise refusals.ALREADY_BEING_IMPORTED()


def _require_email(tx: Tx, row: Import, seen: FetchedRecord) -> str:
    _, email_key = login_email(row.email or seen.record.email)
    if people.email_in_use(tx, email_key) or imports.earlier_claim_on_email(tx, row, email_key):
        raise refusals.EMAIL_TAKEN()
    return email_key


def login_email(address: str | None) -> tuple[str, str]:
    """The address that an individual's login would have, and the key it is compared by.

    Raises:
        Rejected: there is none, or it is not a valid one.
    """
    if not address:
        raise refusals.EMAIL_MISSING()
    return addresses.normalise(address)
