"""XPM's relationship labels: the role that a label names, and from which side it is written (facts on XPM §3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from portal_db.clients.relationships import XpmRelationship
from xpm.records import RelationshipRecord, XpmClient

#: Other spellings of a role. Husband and wife are one relationship of two people, whoever is which.
SPELLINGS = {"appointor": "appointer", "partnership": "partner", "husband": "spouse", "wife": "spouse"}
#: The length of `relationships.label_key`.
LONGEST = 500

#: The name of the other side where XPM has none.
NAMELESS = "(no name in XPM)"
#: The omissions with which a relationship itself is lost, and not only a value of it.
_LOST_ROWS = frozenset(
    {"relationships", "relationships.type", "relationships.relatedClient", "relationships.relatedClient.uuid"}
)
#: The columns of a relationship's values, by their names in XPM.
_VALUES = {
    "numberOfShares": "number_of_shares",
    "percentage": "percentage",
    "startDate": "start_date",
    "endDate": "end_date",
}

#: What `relationships.percentage` holds.
_DIGITS = Decimal("0.0001")

#: The roles of XPM's own list, by the spelling used here.
KNOWN = frozenset(
    {"director", "shareholder", "trustee", "beneficiary", "partner", "settlor", "associate", "secretary"}
    | {"public officer", "spouse", "parent", "child", "appointer", "member", "auditor", "owner"}
)
#: Of XPM's own roles only these have numbers. A practice's own role may have both.
WITH_SHARES = frozenset({"shareholder", "owner"})
WITH_PERCENTAGE = frozenset({"partner"})


@dataclass(frozen=True, slots=True)
class Label:
    """A label without case and spacing. With "Of" it says what the client is to the other side, without it what the other
    side is to the client."""

    role: str
    has_of: bool


def read(raw: str) -> Label:
    """Read a label; any text is a role."""
    words = " ".join(raw.split()).casefold()
    role = words.removesuffix(" of")
    return Label(SPELLINGS.get(role, role)[:LONGEST], has_of=role != words)


def read_labels(label: str, also_told: Iterable[Mapping[str, Any]] | None) -> list[Label]:
    """Read the label of a combined row, and those of the rows combined into it."""
    return [read(raw) for raw in (label, *(each["label"] for each in also_told or ()))]


def title_of(raw: str) -> str:
    """The role as XPM spells it, without "Of"."""
    words = " ".join(raw.split())
    return words[:-3] if words.casefold().endswith(" of") else words


def is_whole(record: XpmClient) -> bool:
    """Whether all relationships of a record could be read: then those that it does not have have ended."""
    return _LOST_ROWS.isdisjoint(record.omissions)


def combine_rows(records: Iterable[RelationshipRecord]) -> list[XpmRelationship]:
    """Combine XPM's rows into one relationship per role and other side, in XPM's order."""
    groups: dict[tuple[str, UUID], list[RelationshipRecord]] = {}
    for record in records:
        groups.setdefault((read(record.label).role, record.related_uuid), []).append(record)
    return [_combine(role, rows) for (role, _), rows in groups.items()]


def _combine(role: str, rows: list[RelationshipRecord]) -> XpmRelationship:
    """The current row counts, or else the latest; what it lacks comes from the others, except its end."""
    ordered = sorted(rows, key=_weight, reverse=True)
    best, others = ordered[0], ordered[1:]
    name = _first(row.related_name[:10_000] or None for row in ordered)
    values = {
        "number_of_shares": _first(_shares(role, row) for row in ordered),
        "percentage": _first(_percentage(role, row) for row in ordered),
        "start_date": _first(row.start_date for row in ordered),
        "end_date": best.end_date,
    }
    unread = {*best.omissions, *(field for row in others for field in row.omissions if field != "endDate")}
    unknown = {column for field, column in _VALUES.items() if field in unread and values[column] is None}
    return XpmRelationship(
        label=best.label[:500],
        label_key=role,
        other_xpm_uuid=best.related_uuid,
        other_name=name or NAMELESS,
        **values,
        also_told=[_as_json(row) for row in others] or None,
        unknown=frozenset(unknown if name else unknown | {"other_name"}),
    )


def _weight(record: RelationshipRecord) -> tuple[Any, ...]:
    """The sort key. The fields after the dates only make the result independent of XPM's order."""
    is_current = record.end_date is None and "endDate" not in record.omissions
    recency = (is_current, record.start_date or date.min, record.end_date or date.min)
    return (*recency, record.number_of_shares or 0, record.percentage or 0, record.label, record.related_name)


def _shares(role: str, record: RelationshipRecord) -> int | None:
    return (record.number_of_shares or None) if role in WITH_SHARES or role not in KNOWN else None


def _percentage(role: str, record: RelationshipRecord) -> Decimal | None:
    """A percentage up to 100. Anything else is a typing error in XPM, and must not keep other rows from the reviewers."""
    found = record.percentage if role in WITH_PERCENTAGE or role not in KNOWN else None
    return (found.quantize(_DIGITS) or None) if found is not None and 0 < found <= 100 else None


def _as_json(record: RelationshipRecord) -> dict[str, Any]:
    return {
        "label": record.label[:500],
        "number_of_shares": record.number_of_shares,
        "percentage": None if record.percentage is None else f"{record.percentage.normalize():f}",
        "start_date": record.start_date and record.start_date.isoformat(),
        "end_date": record.end_date and record.end_date.isoformat(),
    }


def _first(values: Iterable[Any]) -> Any:
    return next((value for value in values if value is not None), None)
