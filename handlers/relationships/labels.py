"""XPM's labels of relationships: the role that one names, and whether it is told from the other side (facts on XPM §3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from portal_db.clients.relationships import XpmRelationship
from xpm.records import RelationshipRecord

#: One role, spelled in several ways. Whoever is whose husband or wife, it is one relationship of two people.
SPELLINGS = {"appointor": "appointer", "partnership": "partner", "husband": "spouse", "wife": "spouse"}
#: What `relationships.label_key` holds.
LONGEST = 500

#: The roles of XPM's own list, as read here.
KNOWN = frozenset(
    {"director", "shareholder", "trustee", "beneficiary", "partner", "settlor", "associate", "secretary"}
    | {"public officer", "spouse", "parent", "child", "appointer", "member", "auditor", "owner"}
)
#: Of XPM's own roles these have numbers; with another of them they are nothing. What a practice's own role has is kept.
WITH_SHARES = frozenset({"shareholder", "owner"})
WITH_PERCENTAGE = frozenset({"partner"})


@dataclass(frozen=True, slots=True)
class Label:
    """A label as compared: case and spacing make no other role. With "Of" it says what the client is to the other side,
    without it what the other side is to the client."""

    role: str
    has_of: bool


def read(raw: str) -> Label:
    """Read XPM's text; an unknown role is one too."""
    words = " ".join(raw.split()).casefold()
    role = words.removesuffix(" of")
    return Label(SPELLINGS.get(role, role)[:LONGEST], has_of=role != words)


def has_shares(role: str) -> bool:
    return role in WITH_SHARES or role not in KNOWN


def has_percentage(role: str) -> bool:
    return role in WITH_PERCENTAGE or role not in KNOWN


def title_of(raw: str) -> str:
    """The role as XPM spells it, without "Of"."""
    words = " ".join(raw.split())
    return words[:-3] if words.casefold().endswith(" of") else words


#: What `relationships.percentage` holds.
_DIGITS = Decimal("0.0001")


def combine_rows(records: Iterable[RelationshipRecord]) -> list[XpmRelationship]:
    """One offer per role and other side, in the order in which XPM tells them."""
    groups: dict[tuple[str, UUID], list[RelationshipRecord]] = {}
    for record in records:
        groups.setdefault((read(record.label).role, record.related_uuid), []).append(record)
    return [_combine_rows(role, rows) for (role, _), rows in groups.items()]


def _combine_rows(role: str, rows: list[RelationshipRecord]) -> XpmRelationship:
    best, *others = sorted(rows, key=_weight, reverse=True)
    return XpmRelationship(
        label=best.label[:500],
        label_key=role,
        other_xpm_uuid=best.related_uuid,
        other_name=best.related_name[:10_000],
        number_of_shares=_first(_shares(role, row) for row in (best, *others)),
        percentage=_first(_percentage(role, row) for row in (best, *others)),
        start_date=_first(row.start_date for row in (best, *others)),
        end_date=best.end_date,
        also_told=[_told(row) for row in others] or None,
    )


def _weight(record: RelationshipRecord) -> tuple[Any, ...]:
    """The rest of it only makes the order the same however XPM orders its rows."""
    recency = (record.end_date is None, record.start_date or date.min, record.end_date or date.min)
    return (*recency, record.number_of_shares or 0, record.percentage or 0, record.label, record.related_name)


def _shares(role: str, record: RelationshipRecord) -> int | None:
    return (record.number_of_shares or None) if has_shares(role) else None


def _percentage(role: str, record: RelationshipRecord) -> Decimal | None:
    """A percentage up to 100; anything else in XPM is a slip, and must not keep the other rows from the reviewers."""
    found = record.percentage if has_percentage(role) else None
    return (found.quantize(_DIGITS) or None) if found is not None and 0 < found <= 100 else None


def _told(record: RelationshipRecord) -> dict[str, Any]:
    """A row that was folded into another, as JSON."""
    return {
        "label": record.label[:500],
        "number_of_shares": record.number_of_shares,
        "percentage": None if record.percentage is None else f"{record.percentage.normalize():f}",
        "start_date": record.start_date and record.start_date.isoformat(),
        "end_date": record.end_date and record.end_date.isoformat(),
    }


def _first(values: Iterable[Any]) -> Any:
    return next((value for value in values if value is not None), None)
