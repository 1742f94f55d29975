"""One client's fields to its typed record: Yes/No, both date forms, numbers as text, empty text, collapsed lists.

A value that cannot be read breaks the contract and raises `XpmMalformed`, which names the field and the client's uuid
but never the value. Nothing is guessed and no row is skipped: a partial record would look like a complete one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

from xpm.errors import XpmMalformed
from xpm.records import Address, GroupRef, RelationshipRecord, XpmClient
from xpm.wire.envelope import ITEM, Element

T = TypeVar("T")

# Characters that XML cannot carry. JSON can, and a database may refuse them: both formats give the same record.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})(T\d{2}:\d{2}:\d{2}(\.\d+)?)?", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d{1,18}(\.\d{1,18})?", re.ASCII)
_FLAGS = {"yes": True, "true": True, "no": False, "false": False}


def client_of(element: Element) -> XpmClient:
    """The record of one client element."""
    owner = "a client"
    uuid = _required(_uuid(element, owner), owner, "uuid")
    owner = f"client {uuid}"
    return XpmClient(
        uuid=uuid,
        name=_required(_text(element, "name"), owner, "name"),
        title=_text(element, "title"),
        gender=_text(element, "gender"),
        first_name=_text(element, "firstname"),
        last_name=_text(element, "lastname"),
        email=_text(element, "email"),
        date_of_birth=_read(element, "dateofbirth", _as_date, owner),
        phone=_text(element, "phone"),
        address=_address(element, "", "address"),
        postal_address=_address(element, "postal", "postaladdress"),
        business_structure=_text(element, "businessstructure"),
        return_type=_text(element, "returntype"),
        is_prospect=bool(_read(element, "isprospect", _as_flag, owner)),
        is_archived=bool(_read(element, "isarchived", _as_flag, owner)),
        is_deleted=bool(_read(element, "isdeleted", _as_flag, owner)),
        groups=tuple(_group(row, owner) for row in _rows(element, "groups")),
        relationships=tuple(_relationship(row, owner) for row in _rows(element, "relationships")),
    )


def uuid_of(element: Element) -> UUID | None:
    """The uuid of a client element, if it can be read."""
    try:
        return _uuid(element, "a client")
    except XpmMalformed:
        return None


def _group(element: Element, owner: str) -> GroupRef:
    owner = f"a group of {owner}"
    return GroupRef(
        uuid=_required(_uuid(element, owner), owner, "uuid"), name=_required(_text(element, "name"), owner, "name")
    )


def _relationship(element: Element, owner: str) -> RelationshipRecord:
    owner = f"a relationship of {owner}"
    other = _required(element.child("relatedclient"), owner, "relatedClient")
    shares = _read(element, "numberofshares", _as_integer, owner)
    percentage = _read(element, "percentage", _as_decimal, owner)
    return RelationshipRecord(
        uuid=_uuid(element, owner),
        label=_required(_text(element, "type"), owner, "type"),
        related_uuid=_required(_uuid(other, owner), owner, "relatedClient.uuid"),
        related_name=_required(_text(other, "name"), owner, "relatedClient.name"),
        number_of_shares=shares or None,
        percentage=percentage or None,
        start_date=_read(element, "startdate", _as_date, owner),
        end_date=_read(element, "enddate", _as_date, owner),
    )


def _address(element: Element, prefix: str, street: str) -> Address:
    return Address(
        street=_text(element, street),
        city=_text(element, f"{prefix}city"),
        region=_text(element, f"{prefix}region"),
        post_code=_text(element, f"{prefix}postcode"),
        country=_text(element, f"{prefix}country"),
    )


def _rows(element: Element, name: str) -> list[Element]:
    """The rows of a list, whether it is absent, empty, proper, or collapsed to its one row."""
    holder = element.child(name)
    if holder is None or not holder.children:
        return []
    rows = [child for child in holder.children if child.name in (ITEM, name.removesuffix("s"))]
    return [row for row in rows if row.children] if rows else [holder]


def _text(element: Element, name: str) -> str | None:
    child = element.child(name)
    if child is None or not child.parts:
        return None
    return _UNPRINTABLE.sub("", "".join(child.parts)).strip() or None


def _uuid(element: Element, owner: str) -> UUID | None:
    return _read(element, "uuid", UUID, owner)


def _read(element: Element, name: str, convert: Callable[[str], T], owner: str) -> T | None:
    text = _text(element, name)
    if text is None:
        return None
    try:
        return convert(text)
    except ValueError:
        pass  # Raised below, outside the handler: the ValueError quotes the value, which may be personal.
    raise XpmMalformed(f"{name} of {owner} cannot be read")


def _required(value: T | None, owner: str, name: str) -> T:
    if value is None:
        raise XpmMalformed(f"{owner} has no {name}")
    return value


def _as_date(text: str) -> date:
    match = _DATE.fullmatch(text)
    if not match:
        raise ValueError(text)
    return date.fromisoformat(match[1])


def _as_flag(text: str) -> bool:
    flag = _FLAGS.get(text.lower())
    if flag is None:
        raise ValueError(text)
    return flag


def _as_decimal(text: str) -> Decimal:
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return Decimal(text)


def _as_integer(text: str) -> int:
    number = _as_decimal(text)
    if number != number.to_integral_value():
        raise ValueError(text)
    return int(number)
