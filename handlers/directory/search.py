"""Finds clients by name: in the directory of the caller's own connection, and in the portal among those they may see
(b.29, b.33). XPM itself is searched only while the directory was never filled.

A record that is a client already is shown once, as that client, and offers no second import.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from handlers.access.caller import Caller
from handlers.directory.classification import Words, entity_type_of, kinds_of, suggested_kind
from handlers.directory.records import fold_text, read_record
from handlers.directory.structures import words_of
from handlers.directory.sync import note_use
from handlers.errors import JobError, from_xpm
from handlers.services import Services
from handlers.xero.connection import require_connection
from handlers.xero.tokens import call_xpm
from portal_db.clients import client_queries
from portal_db.clients.client_queries import ClientEntry, ClientFilter
from portal_db.directory import directories
from portal_db.directory import search as directory_search
from portal_db.states import ClientKind, EntityType, Lane
from portal_db.work import lookahead
from portal_db.xero import requester
from portal_db.xero.requester import StaffRequester
from xpm.client import Access, Fetched
from xpm.errors import XpmError
from xpm.records import XpmClient

SECONDS = 10.0
"""How long somebody who types waits for XPM at most."""
MOST = 50
"""Results of each kind that a search shows."""


@dataclass(frozen=True)
class SearchResult:
    """A record in XPM, and what it may be imported as.

    blocked: why it offers no import, as a stable code. clients: the client it is linked to, where the caller sees it.
    """

    record: XpmClient
    suggested: ClientKind
    possible: frozenset[ClientKind]
    entity_type: EntityType
    blocked: str | None
    client_id: UUID | None


@dataclass(frozen=True)
class AdvancedSearchResult:
    """The two headings of the advanced search. `xpm` is `None` when it was not asked; `trouble` why it could not answer."""

    clients: tuple[ClientEntry, ...]
    xpm: tuple[SearchResult, ...] | None
    trouble: JobError | None = None


def in_xpm(services: Services, caller: Caller, text: str) -> list[SearchResult]:
    """Records of XPM whose name has this text.

    Raises:
        JobError: the caller has no connection that works, or XPM cannot answer now.
    """
    return judged(services, caller, _ask(services, caller, text))


def one_in_xpm(services: Services, caller: Caller, xpm_uuid: UUID) -> SearchResult:
    """The record of XPM with this id, for the window in which it is added.

    Raises:
        JobError: the caller has no connection that works, or XPM does not know the record or cannot answer now.
    """
    with services.database.read() as tx:
        asker = requester.staff_requester(tx, caller.practice_id, caller.staff_id)

    def get(access: Access, seconds: float) -> Fetched[XpmClient]:
        return services.xpm.get(access, xpm_uuid, lane=Lane.INTERACTIVE, deadline_seconds=seconds)

    try:
        record = call_xpm(services, asker, get, seconds=SECONDS).value
    except XpmError as error:
        raise from_xpm(error) from error
    return judged(services, caller, [record])[0]


def judged(services: Services, caller: Caller, records: Sequence[XpmClient]) -> list[SearchResult]:
    """What each record may be imported as, and what is in the way."""
    uuids = [record.uuid for record in records]
    with services.database.read() as tx:
        words = words_of(tx, caller.practice_id)
        taken = lookahead.linked_records(tx, caller.practice_id, uuids)
        begun = lookahead.records_being_imported(tx, caller.practice_id, uuids)
        seen = {entry.link.xpm_uuid: entry.client.id for entry in client_queries.of_records(tx, caller.viewer, uuids)
                if entry.link is not None}  # fmt: skip
    return [_found(record, words, taken, begun, seen) for record in records]


def everywhere(services: Services, caller: Caller, text: str, *, with_xpm: bool) -> AdvancedSearchResult:
    """The portal's clients and, if wanted, XPM's records. The portal answers also while XPM does not."""
    with services.database.read() as tx:
        known = client_queries.page(tx, caller.viewer, ClientFilter(text), after=None, limit=MOST)
    if not with_xpm:
        return AdvancedSearchResult(tuple(known), None)
    try:
        found = in_xpm(services, caller, text)
    except JobError as trouble:
        return AdvancedSearchResult(tuple(known), (), trouble)
    linked = {item.record.uuid for item in found if item.client_id is not None}
    with services.database.read() as tx:
        more = client_queries.of_records(tx, caller.viewer, linked)
    listed = {entry.client.id for entry in known}
    clients = (*known, *(entry for entry in more if entry.client.id not in listed))
    return AdvancedSearchResult(clients, tuple(item for item in found if item.client_id is None))


def _ask(services: Services, caller: Caller, text: str) -> Sequence[XpmClient]:
    with services.database.read() as tx:
        asker = requester.staff_requester(tx, caller.practice_id, caller.staff_id)
        through = require_connection(asker)
        directory = directories.of(tx, through.xero_login_id, through.tenant_id)
        if directory is not None and directory.cursor is not None:
            found = directory_search.find(tx, directory, fold_text(text), limit=MOST)
            records = [read_record(row.record) for row in found]
    if directory is None:
        return _search_xpm(services, asker, text)
    note_use(services.database, directory, asker.now)
    return records if directory.cursor is not None else _search_xpm(services, asker, text)


def _search_xpm(services: Services, asker: StaffRequester, text: str) -> Sequence[XpmClient]:
    def search(access: Access, seconds: float) -> Fetched[list[XpmClient]]:
        return services.xpm.search(access, text, lane=Lane.INTERACTIVE, deadline_seconds=seconds)

    try:
        records = call_xpm(services, asker, search, seconds=SECONDS).value
    except XpmError as error:
        raise from_xpm(error) from error
    return [record for record in records if not record.is_deleted][:MOST]


def _found(record: XpmClient, words: Words, taken: set[UUID], begun: set[UUID], seen: dict[UUID, UUID]) -> SearchResult:
    blocked = None
    if record.uuid in taken:
        blocked = "already_linked"
    elif record.uuid in begun:
        blocked = "already_being_imported"
    elif record.is_archived:
        blocked = "xpm_client_archived"
    return SearchResult(
        record,
        suggested_kind(record, words),
        kinds_of(record, words),
        entity_type_of(record, words),
        blocked,
        seen.get(record.uuid),
    )
