"""A simulated practice's clients, relationships, groups and staff, as plain mutable records.

Wire formats and the making of records live elsewhere. Field names follow `xpm.records` where both have them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from xpm.records import Address


@dataclass(slots=True)
class Relationship:
    """One row on one client's side. `related_uuid` may name a client outside the practice."""

    uuid: UUID
    label: str
    related_uuid: UUID
    related_name: str
    number_of_shares: int | None = None
    percentage: Decimal | None = None
    start_date: date | None = None
    end_date: date | None = None


@dataclass(slots=True)
class Client:
    """One client record. `modified` is aware UTC; `position` is its place in the list, from 0."""

    uuid: UUID
    name: str
    business_structure: str | None
    client_code: str
    modified: datetime
    position: int = 0
    return_type: str | None = None
    title: str | None = None
    gender: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    date_of_birth: date | None = None
    phone: str | None = None
    address: Address = field(default_factory=Address)
    postal_address: Address = field(default_factory=Address)
    is_prospect: bool = False
    is_archived: bool = False
    is_deleted: bool = False
    groups: list[UUID] = field(default_factory=list)
    relationships: list[Relationship] = field(default_factory=list)

    def matches(self, needle: str) -> bool:
        """Whether a case-folded needle is part of the name, the email or the client code."""
        return any(needle in text.casefold() for text in (self.name, self.email or "", self.client_code))


@dataclass(frozen=True, slots=True)
class Group:
    """A client group. Its clients refer to it."""

    uuid: UUID
    name: str
    taxable: bool


@dataclass(frozen=True, slots=True)
class Staff:
    """A staff member of the practice."""

    uuid: UUID
    name: str
    email: str
    phone: str


@dataclass(slots=True)
class Practice:
    """One practice. `clients` is in list order, archived and deleted ones included. `odd_percent` of them have an odd value
    on the wire; `odd_values` are what single clients have there in place of their own, by their wire names."""

    name: str
    clients: dict[UUID, Client]
    groups: dict[UUID, Group]
    staff: tuple[Staff, ...]
    odd_percent: float = 0.0
    odd_values: dict[UUID, dict[str, object]] = field(default_factory=dict)

    def modified_since(self, moment: datetime | None) -> Iterator[Client]:
        """Clients changed at or after an aware moment, in list order; all of them for `None`."""
        return (client for client in self.clients.values() if moment is None or client.modified >= moment)

    def search(self, query: str) -> Iterator[Client]:
        """Clients, except deleted ones, with the query anywhere in name, email or client code; none for a blank query."""
        needle = query.strip().casefold()
        return (
            client for client in self.clients.values() if needle and not client.is_deleted and client.matches(needle)
        )

    def members(self, group: UUID) -> Iterator[Client]:
        """The clients of a group, in list order."""
        return (client for client in self.clients.values() if group in client.groups)

    def name_of(self, relationship: Relationship) -> str:
        """The related client's current name, or the row's name for a client outside the practice."""
        related = self.clients.get(relationship.related_uuid)
        return related.name if related else relationship.related_name
