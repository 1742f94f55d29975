"""Searches for clients by name: in the directory of the caller's own connection, and in the portal among the clients that
they may see (b.29, b.33). XPM itself is searched only until the directory has been filled once.

A record that is already a client appears once, as that client, and cannot be imported again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
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
from portal_db.clients.client_queries import ClientEntry
from portal_db.database import Tx
from portal_db.directory import directories
from portal_db.directory import search as directory_search
from portal_db.states import ClientKind, EntityType, Lane
from portal_db.tables import Client, Directory
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
    was_client: the client that was connected to it last and is connected to nothing now.
    is_guess: no name matches the text that was searched for exactly, and this one does but for a typing error.
    """

    record: XpmClient
    suggested: ClientKind
    possible: frozenset[ClientKind]
    entity_type: EntityType
    blocked: str | None
    client_id: UUID | None
    was_client: Client | None
    is_guess: bool = False


@dataclass(frozen=True)
class AdvancedSearchResult:
    """The first clients of the portal and records that are only in XPM, and how many there are of each. `xpm` is `None` if
    it was not searched; `trouble`: why that failed. `is_guess`: nothing matches exactly under either heading, and these
    match but for a typing error."""

    clients: tuple[ClientEntry, ...]
    clients_total: int
    xpm: tuple[SearchResult, ...] | None
    xpm_total: int
    trouble: JobError | None = None
    is_guess: bool = False


def search_all(
    services: Services, caller: Caller, text: str, *, with_xpm: bool, limit: int = MOST
) -> AdvancedSearchResult:
    """Search the portal's clients and, if requested, XPM. The clients are found even if XPM does not answer."""
    trouble, source = None, None
    try:
        source = _source(services, caller, text) if with_xpm else None
    except JobError as error:
        trouble = error
    for is_guess in (False, True):
        with services.database.read() as tx:
            records, xpm_total = _only_in_xpm(tx, caller, source, text, is_guess, limit)
            matching = _matching(source, text, is_guess)
            known = client_queries.named(tx, caller.viewer, text, matching, is_guess=is_guess, limit=limit)
        if known[1] or xpm_total:
            break
    found = tuple(_results(services, caller, records))
    is_guess = is_guess and bool(known[1] or xpm_total)
    return AdvancedSearchResult(tuple(known[0]), known[1], found if with_xpm else None, xpm_total, trouble, is_guess)


def browse_xpm(services: Services, caller: Caller, *, limit: int) -> AdvancedSearchResult:
    """The first of XPM's records by name that are no client in sight: what is there, before anything is typed. None while
    the directory is not filled yet, since XPM itself only searches."""
    with services.database.read() as tx:
        asker = requester.staff_requester(tx, caller.practice_id, caller.staff_id)
        try:
            connection = require_connection(asker)
        except JobError as trouble:
            return AdvancedSearchResult((), 0, (), 0, trouble)
        directory = directories.of(tx, connection.xero_login_id, connection.tenant_id)
        if directory is None or directory.cursor is None:
            return AdvancedSearchResult((), 0, (), 0)
        records, total = _only_in_xpm(tx, caller, directory, "", False, limit)
    return AdvancedSearchResult((), 0, tuple(_results(services, caller, records)), total)


#: What XPM's records are searched in: the directory, or what XPM itself found while the directory is not filled yet.
_Source = Directory | Sequence[XpmClient]


def _source(services: Services, caller: Caller, text: str) -> _Source:
    """
    Raises:
        JobError: the caller has no connection that works, or XPM cannot answer now.
    """
    with services.database.read() as tx:
        asker = requester.staff_requester(tx, caller.practice_id, caller.staff_id)
        connection = require_connection(asker)
        directory = directories.of(tx, connection.xero_login_id, connection.tenant_id)
    if directory is not None:
        note_use(services.database, directory, asker.now)
        if directory.cursor is not None:
            return directory
    return _call_search(services, asker, text)


def _only_in_xpm(
    tx: Tx, caller: Caller, source: _Source | None, text: str, is_guess: bool, limit: int
) -> tuple[list[XpmClient], int]:
    """The first records that are no client in sight, and how many there are."""
    if isinstance(source, Directory):
        rows, total = directory_search.find_unlinked(tx, caller.viewer, source, text, is_guess=is_guess, limit=limit)
        return [read_record(row.record) for row in rows], total
    entries = client_queries.of_records(tx, caller.viewer, [record.uuid for record in source or ()])
    linked = {entry.link.xpm_uuid for entry in entries if entry.link is not None}
    records = [record for record in source or () if record.uuid not in linked]
    return records[:limit], len(records)


def _matching(source: _Source | None, text: str, is_guess: bool) -> Any:
    """The ids of the records in XPM that match, or a query of them."""
    if isinstance(source, Directory):
        return directory_search.ids_of(source, text, is_guess=is_guess)
    return [record.uuid for record in source or ()]


def search_xpm(services: Services, caller: Caller, text: str) -> list[SearchResult]:
    """XPM's records whose name contains a text; if there are none in the directory, those that do but for a typing error.

    Raises:
        JobError: the caller has no connection that works, or XPM cannot answer now.
    """
    source = _source(services, caller, text)
    if isinstance(source, Directory):
        with services.database.read() as tx:
            records, is_guess = _find(tx, source, text)
        return [replace(result, is_guess=is_guess) for result in _results(services, caller, records)]
    return _results(services, caller, source[:MOST])


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
        return services.xpm.search(
            access, text, lane=Lane.INTERACTIVE, holder=f"search/{access.tenant_id}", deadline_seconds=seconds
        )

    try:
        records = call_xpm(services, asker, search, seconds=SECONDS).value
    except XpmError as error:
        raise from_xpm(error) from error
    return [record for record in records if not record.is_deleted]


def _results(services: Services, caller: Caller, records: Sequence[XpmClient]) -> list[SearchResult]:
    """Each record with what it may be imported as, and what prevents that."""
    if not records:
        return []
    uuids = [record.uuid for record in records]
    with services.database.read() as tx:
        words = words_of(tx, caller.practice_id)
        linked = lookahead.linked_records(tx, caller.practice_id, uuids)
        importing = lookahead.records_being_imported(tx, caller.practice_id, uuids)
        entries = client_queries.of_records(tx, caller.viewer, uuids)
        once = client_queries.once_linked(tx, caller.viewer, uuids)
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
        was = once.get(record.uuid) if blocked is None else None
        return SearchResult(record, suggested, possible, entity_type, blocked, client_id, was)

    return [result(record) for record in records]
