"""Forecasts a batch without calling XPM: which rows will be rejected and why, and how long the import will take.

The forecast uses what is known now, and the import checks again. Rows whose record was never seen are counted separately. An
email is foretold to be taken only if a login of the practice itself has it: whether another firm's has is found out by the
import alone, or anybody could ask whose clients are in the portal.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

from handlers import refusals
from handlers.access.caller import Caller
from handlers.directory.classification import Words
from handlers.directory.lookup import FRESH, FetchedRecord, confirmed_at
from handlers.directory.records import read_record
from handlers.directory.structures import words_of
from handlers.errors import Rejected
from handlers.imports.request import ImportWishes
from handlers.imports.validate import login_email, require_fit
from handlers.xero.connection import require_connection
from portal_db.database import Database, Tx
from portal_db.directory import directories
from portal_db.states import ClientKind
from portal_db.tables import XpmConnection
from portal_db.types import database_time
from portal_db.work import lookahead, recent_imports
from portal_db.work.recent_imports import InXpm
from portal_db.xero import requester
from xpm.quota.limits import DAY_SECONDS, MINUTE_SECONDS


@dataclass(frozen=True)
class Budget:
    """XPM calls that a batch may make. `left_today`: the rest of the tenant's day, `None` if unknown."""

    per_minute: int
    per_day: int
    left_today: int | None


@dataclass(frozen=True)
class RejectedRow:
    """A row that will be rejected. `position` counts from 0."""

    position: int
    reason: Rejected


@dataclass(frozen=True)
class Forecast:
    """What will happen to a batch. `unseen` rows count as eligible, although their record is not known yet."""

    rows: int
    eligible: int
    unseen: int
    rejected: tuple[RejectedRow, ...]
    calls: int
    seconds: int
    left_today: int | None

    @property
    def by_code(self) -> dict[str, int]:
        return dict(Counter(row.reason.code for row in self.rejected).most_common())


@dataclass
class _Known:
    """What is known before the rows are checked. `records` and `emails` collect what earlier rows of the batch claim."""

    seen: dict[UUID, FetchedRecord]
    fresh: set[UUID]
    words: Words
    linked: set[UUID]
    importing: set[UUID]
    held: set[str]
    records: set[UUID] = field(default_factory=set)
    emails: set[str] = field(default_factory=set)


def tenant_of(database: Database, caller: Caller) -> str:
    """The XPM practice that the caller imports from.

    Raises:
        JobError: they have no connection that works.
    """
    with database.read() as tx:
        return require_connection(requester.staff_requester(tx, caller.practice_id, caller.staff_id)).tenant_id


def forecast(database: Database, caller: Caller, rows: Sequence[ImportWishes], budget: Budget) -> Forecast:
    """Forecast a batch.

    Raises:
        JobError: the caller has no connection that works, so every row would be rejected.
    """
    with database.read() as tx:
        connection = require_connection(requester.staff_requester(tx, caller.practice_id, caller.staff_id))
        known = _known(tx, caller, connection, rows)
    rejected = []
    for position, row in enumerate(rows):
        try:
            _check(row, known)
        except Rejected as reason:
            rejected.append(RejectedRow(position, reason))
    # Each row needs a call, also one that will be rejected, unless the directory is recent enough.
    calls = sum(row.xpm_uuid not in known.fresh for row in rows)
    return Forecast(
        rows=len(rows),
        eligible=len(rows) - len(rejected),
        unseen=len(known.records - known.seen.keys()),
        rejected=tuple(rejected),
        calls=calls,
        seconds=seconds_for(calls, budget),
        left_today=budget.left_today,
    )


def seen_in_xpm(database: Database, caller: Caller, xpm_uuids: Sequence[UUID]) -> dict[UUID, InXpm]:
    """What XPM has of records, as far as the caller's own connection has seen them."""
    with database.read() as tx:
        return recent_imports.seen_in_xpm(tx, caller.practice_id, caller.staff_id, xpm_uuids)


def seconds_for(calls: int, budget: Budget) -> int:
    """How long the calls take: at the rate per minute while today's last, then a day for each further daily limit."""
    today = min(calls, budget.per_day if budget.left_today is None else budget.left_today)
    later = calls - today
    days = math.ceil(later / budget.per_day)
    last = later - (days - 1) * budget.per_day if days else today
    return round(days * DAY_SECONDS + last / budget.per_minute * MINUTE_SECONDS)


def _known(tx: Tx, caller: Caller, connection: XpmConnection, rows: Sequence[ImportWishes]) -> _Known:
    uuids = {row.xpm_uuid for row in rows}
    directory = directories.of(tx, connection.xero_login_id, connection.tenant_id)
    rows_of = lookahead.directory_records(tx, connection, uuids)
    known_at = {uuid: at for uuid, found in rows_of.items() if (at := confirmed_at(found, directory)) is not None}
    rejected_at = lookahead.last_rejections(tx, caller.practice_id, uuids)
    oldest = database_time(tx.session) - FRESH
    seen = {uuid: FetchedRecord(connection, read_record(rows_of[uuid].record), at) for uuid, at in known_at.items()}
    return _Known(
        seen,
        {uuid for uuid, at in known_at.items() if at >= max(oldest, rejected_at.get(uuid, oldest))},
        words_of(tx, caller.practice_id),
        lookahead.linked_records(tx, caller.practice_id, uuids),
        lookahead.records_being_imported(tx, caller.practice_id, uuids),
        lookahead.emails_of_practice(tx, caller.practice_id, _emails_asked_about(rows, seen)),
    )


def _emails_asked_about(rows: Sequence[ImportWishes], seen: Mapping[UUID, FetchedRecord]) -> set[str]:
    """The valid emails of rows whose record the caller has seen: no address is tried out with the id of nothing."""
    found = set()
    for row in rows:
        if row.xpm_uuid in seen:
            with suppress(Rejected):
                found.add(_claimed_email(row, seen[row.xpm_uuid]))
    return {key for key in found if key is not None}


def _claimed_email(row: ImportWishes, seen: FetchedRecord | None) -> str | None:
    """The email that a row would claim; `None` for an entity, and while only XPM knows it.

    Raises:
        Rejected: it is missing or not valid.
    """
    if row.kind is ClientKind.ENTITY or (seen is None and row.email is None):
        return None
    return login_email(row.email or (seen.record.email if seen else None))[1]


def _check(row: ImportWishes, known: _Known) -> None:
    """Apply the rules of `validate_import`, in its order. A row that passes claims its record and its email."""
    seen = known.seen.get(row.xpm_uuid)
    if seen is not None:
        require_fit(row, seen, known.words)
    if row.xpm_uuid in known.linked:
        raise refusals.ALREADY_LINKED()
    if row.xpm_uuid in known.importing or row.xpm_uuid in known.records:
        raise refusals.ALREADY_BEING_IMPORTED()
    email_key = _claimed_email(row, seen)
    if email_key is not None:
        if email_key in known.held or email_key in known.emails:
            raise refusals.EMAIL_TAKEN()
        known.emails.add(email_key)
    known.records.add(row.xpm_uuid)
