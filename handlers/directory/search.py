"""Searches for clients by name: in the directory of the caller's own connection, and in the portal among the clients that
they may see (b.29, b.33). XPM itself is searched only until the directory has been filled once.

A record that is already a client appears once, as that client, and cannot be imported again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from handlers.access.caller import Caller
from handlers.directory.classification import entity_type_of, kinds_of, suggested_kind
from handlers.directory.lookup import get_for_staff
from handlers.directory.records import read_record
from handlers.directory.structures import words_of
from handlers.directory.sync import note_use
from handlers.errors import JobError, from_xpm
from handlers.services import Services
from handlers.xero.connection import require_connection
from handlers.xero.tokens import call_xpm
from portal_db.clients import client_queries
from portal_db.clients.client_queries import ClientEntry, ClientFilter
from portal_db.database import Tx
from portal_db.directory import directories
from portal_db.directory import search as directory_search
from portal_db.states import ClientKind, EntityType, Lane
from portal_db.tables import Directory
from portal_db.work import lookahead
from portal_db.xero import requester
from portal_db.xero.requester import StaffRequester
from xpm.client import Access, Fetched
from xpm.errors import XpmError
from xpm.records import XpmClient

SECONDS = 10.0
"""How long a person waits for XPM."""
MOST = 50
"""Results of each kind in one search."""


@dataclass(frozen=True)
class SearchResult:
    """A record in XPM, and what it may be imported as.

    blocked: why it cannot be imported, as a stable code. client_id: the client it is linked to, if the caller may see it.
    is_guess: no name matches the text that was searched for exactly, and this one does but for a typing error.
    """

    record: XpmClient
    suggested: ClientKind
    possible: frozenset[ClientKind]
    entity_type: EntityType
    blocked: str | None
    client_id: UUID | None
    is_guess: bool = False


@dataclass(frozen=True)
class AdvancedSearchResult:
    """Clients of the portal and records in XPM. `xpm` is `None` if it was not searched; `trouble`: why that failed.
    `is_guess`: nothing matches exactly under either heading, and these match but for a typing error."""

    clients: tuple[ClientEntry, ...]
    xpm: tuple[SearchResult, ...] | None
    trouble: JobError | None = None
    is_guess: bool = False


def search_all(services: Services, caller: Caller, text: str, *, with_xpm: bool) -> AdvancedSearchResult:
    """Search the portal's clients and, if requested, XPM. The clients are found even if XPM does not answer."""
    trouble = None
    try:
        found = search_xpm(services, caller, text) if with_xpm else []
    except JobError as error:
        found, trouble = [], error
    with services.database.read() as tx:
        known = client_queries.page(tx, caller.viewer, ClientFilter(text), after=None, limit=MOST)
        is_guess = not known and all(item.is_guess for item in found)
        if is_guess:
            known = client_queries.page(tx, caller.viewer, ClientFilter(text, is_guess=True), after=None, limit=MOST)
        found = [item for item in found if item.is_guess == is_guess]
        more = client_queries.of_records(tx, caller.viewer, {item.record.uuid for item in found if item.client_id})
    listed = {entry.client.id for entry in known}
    clients = (*known, *(entry for entry in more if entry.client.id not in listed))
    only_in_xpm = tuple(item for item in found if item.client_id is None)
    is_guess = is_guess and bool(clients or only_in_xpm)
    return AdvancedSearchResult(clients, only_in_xpm if with_xpm else None, trouble, is_guess)


def search_xpm(services: Services, caller: Caller, text: str) -> list[SearchResult]:
    """XPM's records whose name contains a text; if there are none in the directory, those that do but for a typing error.

    Raises:
        JobError: the caller has no connection that works, or XPM cannot answer now.
    """
    with services.database.read() as tx:
        asker = requester.staff_requester(tx, caller.practice_id, caller.staff_id)
        connection = require_connection(asker)
        directory = directories.of(tx, connection.xero_login_id, connection.tenant_id)
        is_filled = directory is not None and directory.cursor is not None
        records, is_guess = _find(tx, directory, text) if directory and is_filled else ([], False)
    if directory is not None:
        note_use(services.database, directory, asker.now)
    results = _results(services, caller, records if is_filled else _call_search(services, asker, text))
    return [replace(result, is_guess=is_guess) for result in results]


def record_in_xpm(services: Services, caller: Caller, xpm_uuid: UUID) -> SearchResult:
    """One record of XPM, for the window in which it is added.

    Raises:
        JobError: the caller has no connection that works, XPM does not know the record, or XPM cannot answer now.
    """
    with services.database.read() as tx:
        asker = requester.staff_requester(tx, caller.practice_id, caller.staff_id)
    return _results(services, caller, [get_for_staff(services, asker, xpm_uuid, seconds=SECONDS)])[0]


def _find(tx: Tx, directory: Directory, text: str) -> tuple[list[XpmClient], bool]:
    """The directory's records, and whether they are a guess."""
    for is_guess in (False, True):
        if found := directory_search.find(tx, directory, text, is_guess=is_guess, limit=MOST):
            return [read_record(row.record) for row in found], is_guess
    return [], False


def _call_search(services: Services, asker: StaffRequester, text: str) -> Sequence[XpmClient]:
    def search(access: Access, seconds: float) -> Fetched[list[XpmClient]]:
        return services.xpm.search(access, text, lane=Lane.INTERACTIVE, deadline_seconds=seconds)

    try:
        records = call_xpm(services, asker, search, seconds=SECONDS).value
    except XpmError as error:
        raise from_xpm(error) from error
    return [record for record in records if not record.is_deleted][:MOST]


def _results(services: Services, caller: Caller, records: Sequence[XpmClient]) -> list[SearchResult]:
    """Each record with what it may be imported as, and what prevents that."""
    uuids = [record.uuid for record in records]
    with services.database.read() as tx:
        words = words_of(tx, caller.practice_id)
        linked = lookahead.linked_records(tx, caller.practice_id, uuids)
        importing = lookahead.records_being_imported(tx, caller.practice_id, uuids)
        entries = client_queries.of_records(tx, caller.viewer, uuids)
    client_ids = {entry.link.xpm_uuid: entry.client.id for entry in entries if entry.link is not None}

    def result(record: XpmClient) -> SearchResult:
        blocked = None
        if record.uuid in linked:
            blocked = "already_linked"
        elif record.uuid in importing:
            blocked = "already_being_imported"
        elif record.is_archived:
            blocked = "xpm_client_archived"
        suggested, possible = suggested_kind(record, words), kinds_of(record, words)
        entity_type, client_id = entity_type_of(record, words), client_ids.get(record.uuid)
        return SearchResult(record, suggested, possible, entity_type, blocked, client_id)

    return [result(record) for record in records]
