"""The parts of an XPM answer that we keep, as typed records. Wire formats and portal rules live elsewhere.

Source: XPM API 3.1 `ClientDetailedDto`. Bank and tax fields, notes and contacts are never read into a record: what is
not held cannot leak. Text is kept as sent, except that surrounding white space is removed and empty text is `None`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Address:
    """One address of a client. `street` may span lines."""

    street: str | None = None
    city: str | None = None
    region: str | None = None
    post_code: str | None = None
    country: str | None = None


@dataclass(frozen=True, slots=True)
class GroupRef:
    """A client group that a client belongs to."""

    uuid: UUID
    name: str


@dataclass(frozen=True, slots=True)
class RelationshipRecord:
    """One row of a client's relationships, from that client's side.

    `label` is XPM's raw text ("Director", "Shareholder Of", or anything else); `related_uuid` and `related_name` are the
    other side; the name is empty where XPM sends none. `number_of_shares` (a count) and `percentage` (0 to 100) are `None`
    where XPM sends 0 or nothing, which mean the same. `omissions` are the fields of this row whose value could not be read,
    by their names in XPM, as in ("percentage",).
    """

    uuid: UUID | None
    label: str
    related_uuid: UUID
    related_name: str
    number_of_shares: int | None = None
    percentage: Decimal | None = None
    start_date: date | None = None
    end_date: date | None = None
    omissions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class XpmClient:
    """A client record of XPM: a person or an entity, distinguished by `business_structure` (free text per practice).

    `omissions` are the fields whose value could not be read, by their names in XPM, each once, as in
    ("dateOfBirth", "relationships.percentage"). A row of a list that was left out is named by the field that it lacks.
    """

    uuid: UUID
    name: str
    title: str | None = None
    gender: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    date_of_birth: date | None = None
    phone: str | None = None
    address: Address = Address()
    postal_address: Address = Address()
    business_structure: str | None = None
    return_type: str | None = None
    #: The practice's own short word for the client, as in "SMIT0002". Only `uuid` identifies a client.
    client_code: str | None = None
    is_prospect: bool = False
    is_archived: bool = False
    is_deleted: bool = False
    groups: tuple[GroupRef, ...] = ()
    relationships: tuple[RelationshipRecord, ...] = ()
    omissions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record of a list without a uuid or a name that can be read. `uuid` is `None` if it is the uuid; `problem` names the
    field, but never its value."""

    uuid: UUID | None
    problem: str
