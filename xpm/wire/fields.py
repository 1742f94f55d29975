"""One client's fields to its typed record. Only its uuid and its name are required.

Any other value that cannot be read is left out, and so is a row of a list without what makes it one; the record names them.
Errors and omissions name the field and the client's uuid, but never the value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar
from uuid import UUID

from xpm.errors import XpmMalformed
from xpm.records import Address, GroupRef, RelationshipRecord, XpmClient
from xpm.wire.envelope import ITEM, Element
from xpm.wire.values import NO_BIRTHS, as_count, as_date, as_flag, as_percentage

T = TypeVar("T")

# Characters that XML cannot carry. JSON can, and a database may refuse them: both formats give the same record.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_RETURN = re.compile("\r\n?")
# A line break in a name would begin a header in an email. Tabs are none, but nobody types them either.
_LINE_BREAKS = re.compile("[ \t\n\r\x85\u2028\u2029]*[\t\n\r\x85\u2028\u2029][ \t\n\r\x85\u2028\u2029]*")


@dataclass(frozen=True, slots=True)
class Reading:
    """What the meaning of dates depends on.

    Args:
        latest_birth: a later date of birth is a slip.
        day_first: the practice is in a country where 3/4/1970 is 3 April.
    """

    latest_birth: date
    day_first: bool = False

    @classmethod
    def at(cls, moment: datetime | None = None, *, day_first: bool = False) -> Reading:
        """Reading an answer of this moment (default: now). It may be tomorrow already where the practice is."""
        return cls((moment or datetime.now(UTC)).date() + timedelta(days=1), day_first)

    def day(self, text: str) -> date | None:
        return as_date(text, day_first=self.day_first)

    def birth(self, text: str) -> date | None:
        found = self.day(text)
        if found is not None and found > self.latest_birth:
            raise ValueError(text)
        return None if found in NO_BIRTHS else found


def client_of(element: Element, reading: Reading) -> XpmClient:
    """The record of one client element.

    Raises:
        XpmMalformed: it has no uuid or no name that can be read.
    """
    omitted: dict[str, None] = {}
    fields = _Fields(element, "", omitted)
    uuid = fields.read("uuid", UUID)
    owner = "a client" if uuid is None else f"client {uuid}"
    name = fields.line("name")
    if uuid is None or name is None:
        missing = "uuid" if uuid is None else "name"
        raise XpmMalformed(f"{missing} of {owner} {'cannot be read' if missing in omitted else 'is missing'}")
    if element.problem is not None:
        raise XpmMalformed(f"{owner} {element.problem}")
    return XpmClient(
        uuid=uuid,
        name=name,
        title=fields.line("title"),
        gender=fields.line("gender"),
        first_name=fields.line("firstName"),
        last_name=fields.line("lastName"),
        email=fields.line("email"),
        date_of_birth=fields.read("dateOfBirth", reading.birth),
        phone=fields.line("phone"),
        address=Address(
            street=fields.text("address"),
            city=fields.line("city"),
            region=fields.line("region"),
            post_code=fields.line("postCode"),
            country=fields.line("country"),
        ),
        postal_address=Address(
            street=fields.text("postalAddress"),
            city=fields.line("postalCity"),
            region=fields.line("postalRegion"),
            post_code=fields.line("postalPostCode"),
            country=fields.line("postalCountry"),
        ),
        business_structure=fields.line("businessStructure"),
        return_type=fields.line("returnType"),
        client_code=fields.line("clientCode"),
        is_prospect=bool(fields.read("isProspect", as_flag)),
        is_archived=bool(fields.read("isArchived", as_flag)),
        is_deleted=bool(fields.read("isDeleted", as_flag)),
        groups=_known(_group(row) for row in fields.rows("groups")),
        relationships=_known(_relationship(row, reading) for row in fields.rows("relationships")),
        omissions=tuple(omitted),
    )


def uuid_of(element: Element) -> UUID | None:
    """The uuid of a client element, if it can be read."""
    return _Fields(element, "", {}).read("uuid", UUID)


def _known(rows: Iterable[T | None]) -> tuple[T, ...]:
    return tuple(row for row in rows if row is not None)


def _group(row: _Fields) -> GroupRef | None:
    """A group; `None` for one without a name or a uuid. An empty one is no group."""
    uuid, name = row.read("uuid", UUID), row.line("name")
    if uuid is not None and name is not None:
        return GroupRef(uuid, name)
    if uuid is not None or name is not None:
        row.omit("uuid" if uuid is None else "name")
    return None


def _relationship(row: _Fields, reading: Reading) -> RelationshipRecord | None:
    """A relationship; `None` for one without a type or a related client. One to nobody is none."""
    label, other = row.line("type"), row.part("relatedClient")
    if other is None:
        return None
    related_uuid, related_name = other.read("uuid", UUID), other.line("name")
    if related_uuid is None or label is None:
        lacking, name = (other, "uuid") if related_uuid is None else (row, "type")
        lacking.omit(name)
        return None
    return RelationshipRecord(
        uuid=row.read("uuid", UUID),
        label=label,
        related_uuid=related_uuid,
        related_name=related_name or "",
        number_of_shares=row.read("numberOfShares", as_count),
        percentage=row.read("percentage", as_percentage),
        start_date=row.read("startDate", reading.day),
        end_date=row.read("endDate", reading.day),
        omissions=row.omissions,
    )


class _Fields:
    """The values of one element, by the contract's names. Those that cannot be read are added to `omitted`, and to the
    element's own `omissions`."""

    __slots__ = ("_children", "_omitted", "_prefix", "omissions")

    def __init__(self, element: Element, prefix: str, omitted: dict[str, None]) -> None:
        self._children = element.by_name()
        self._prefix = prefix
        self._omitted = omitted
        self.omissions: tuple[str, ...] = ()

    def omit(self, name: str) -> None:
        self._omitted[self._prefix + name] = None
        self.omissions += (name,)

    def text(self, name: str) -> str | None:
        """A text as sent, except for white space around it, line breaks of other systems, and what XML cannot carry."""
        child = self._children.get(name.lower())
        if child is None:
            return None
        if child.problem is not None or child.children:
            self.omit(name)
            return None
        if not child.parts:
            return None
        text = "".join(child.parts)
        if not text.isprintable():  # Most texts are, and this is quick to find out.
            text = _RETURN.sub("\n", _UNPRINTABLE.sub("", text))
        return text.strip() or None

    def line(self, name: str) -> str | None:
        """A text of one line."""
        text = self.text(name)
        return text if text is None or text.isprintable() else _LINE_BREAKS.sub(" ", text).strip() or None

    def read(self, name: str, convert: Callable[[str], T | None]) -> T | None:
        text = self.text(name)
        if text is None:
            return None
        try:
            return convert(text)
        except ValueError:
            self.omit(name)
            return None

    def part(self, name: str) -> _Fields | None:
        """A value that has fields of its own; `None` if it is absent or empty."""
        child = self._children.get(name.lower())
        if child is not None and child.children:
            return _Fields(child, f"{self._prefix}{name}.", self._omitted)
        if child is not None and not child.is_empty():
            self.omit(name)
        return None

    def rows(self, name: str) -> list[_Fields]:
        """The rows of a list, whether it is absent, empty, proper, or collapsed to its one row."""
        holder = self._children.get(name)
        if holder is None:
            return []
        rows = [child for child in holder.children if child.name in (ITEM, name.removesuffix("s"))] or [holder]
        if any(not row.children and not row.is_empty() for row in rows):
            self.omit(name)
        return [_Fields(row, f"{name}.", self._omitted) for row in rows if row.children]
