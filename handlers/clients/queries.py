"""Clients as staff see them: the list, one client with everything about them, and how far their invitation has come."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field

from handlers import refusals
from handlers.access.caller import Caller, Scope
from handlers.paging import Page, exact_or_guess, page_of, read_cursor
from handlers.relationships import review_queue
from handlers.relationships.review_queue import Item
from portal_db.access import people
from portal_db.clients import client_queries, clients, team
from portal_db.clients.client_queries import ClientEntry, ClientFilter, Order
from portal_db.clients.team import CoOwnership
from portal_db.database import Database, Tx
from portal_db.paging import Cursor
from portal_db.states import ReviewState
from portal_db.tables import ClientField, CoOwnerInvitation, FieldConflict, Login, Staff, TeamMember, WelcomeEmail


@dataclass(frozen=True)
class Details:
    """A client with its fields and their sources, the XPM values that conflict, its team and its relationships."""

    entry: ClientEntry
    fields: dict[str, ClientField]
    conflicts: Sequence[FieldConflict]
    team: Sequence[TeamMember]
    co_owners: Mapping[UUID, CoOwnership]
    relationships: Sequence[Item]


def list_clients(
    database: Database, caller: Caller, wanted: ClientFilter, *, cursor: str | None, limit: int
) -> Page[ClientEntry]:
    """Clients that the caller may see, newest first.

    Raises:
        RequestRefused: the cursor is not valid.
    """
    after = read_cursor(cursor)
    with database.read() as tx:

        def find(after: Cursor | None, limit: int, is_guess: bool) -> list[ClientEntry]:
            return client_queries.page(tx, caller.viewer, replace(wanted, is_guess=is_guess), after=after, limit=limit)

        found, is_guess = exact_or_guess(find, after, limit + 1)
    return page_of(found, limit, lambda entry: (entry.client.created_at, entry.client.id), is_guess=is_guess)


@dataclass(frozen=True)
class ClientList:
    """A part of a list of clients, and how many the whole list has. `is_guess`: no name matches exactly."""

    items: Sequence[ClientEntry]
    total: int
    is_guess: bool


def listing(
    database: Database, caller: Caller, wanted: ClientFilter, order: Order, *, offset: int, limit: int
) -> ClientList:
    """Clients that the caller may see, from one place of a sorted list on."""
    with database.read() as tx:
        for is_guess in (False, True):
            filters = replace(wanted, is_guess=is_guess)
            items, total = client_queries.listing(tx, caller.viewer, filters, order, offset=offset, limit=limit)
            if total or not wanted.text:
                break
    return ClientList(items, total, is_guess and bool(total))


def colleagues(database: Database, caller: Caller) -> Sequence[Staff]:
    """Who works at the caller's practice, if the caller may assign clients to them."""
    if not caller.may(Scope.IMPORT):
        return []
    with database.read() as tx:
        return people.colleagues(tx, caller.practice_id)


def get_client(database: Database, caller: Caller, client_id: UUID) -> Details:
    """A client that the caller may see.

    Raises:
        RequestRefused: not found, or not visible to them.
    """
    with database.read() as tx:
        entry = require_client(tx, caller, client_id)
        return Details(
            entry,
            clients.fields(tx, client_id),
            clients.conflicts(tx, client_id),
            client_queries.team_of(tx, client_id),
            team.co_owners(tx, client_id),
            review_queue.of_client(tx, caller, client_id, frozenset(ReviewState)),
        )


def end_new(database: Database, caller: Caller, entry: ClientEntry) -> None:
    """Note that the caller has opened a client's page. It stays New unless the client is assigned to them."""
    if entry.is_new:
        with database.write() as tx:
            clients.end_new(tx, entry.client.id, caller.staff_id)


def list_items(database: Database, caller: Caller, client_id: UUID, states: Collection[ReviewState]) -> list[Item]:
    """A client's relationships in XPM that are in some states of review.

    Raises:
        RequestRefused: not found, or not visible to them.
    """
    with database.read() as tx:
        require_client(tx, caller, client_id)
        return review_queue.of_client(tx, caller, client_id, states)


def require_client(tx: Tx, caller: Caller, client_id: UUID) -> ClientEntry:
    """A client that the caller may see.

    Raises:
        RequestRefused: not found, or not visible to them.
    """
    found = client_queries.get(tx, caller.viewer, client_id)
    if found is None:
        raise refusals.UNKNOWN_CLIENT()
    return found


def require_current_client(tx: Tx, caller: Caller, client_id: UUID) -> ClientEntry:
    """A client that the caller may see, and that is not archived.

    Raises:
        RequestRefused: not found, not visible to them, or archived.
    """
    found = require_client(tx, caller, client_id)
    if found.client.archived_at is not None:
        raise refusals.CLIENT_ARCHIVED()
    return found


def require_co_owner(tx: Tx, client_id: UUID, member_id: UUID) -> CoOwnership:
    """A co-owner of this client's account.

    Raises:
        RequestRefused: the client has no such co-owner.
    """
    found = team.co_owners(tx, client_id).get(member_id)
    if found is None:
        raise refusals.UNKNOWN_CO_OWNER()
    return found


class Invitation(BaseModel):
    """Whether and when a person was invited to the portal, or became active there."""

    state: Literal["not_invited", "being_sent", "invited", "not_delivered", "unknown", "active"]
    at: datetime | None = Field(description="when they were invited, or became active")

    @classmethod
    def of(cls, login: Login, email: WelcomeEmail | CoOwnerInvitation | None) -> Self:
        if login.activated_at is not None:
            return cls(state="active", at=login.activated_at)
        state = client_queries.INVITATIONS.get(email.state, "not_invited") if email else "not_invited"
        return cls.model_validate({"state": state, "at": email.sent_at if email else None})
