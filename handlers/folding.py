"""Folds the rows by which XPM tells a client's relationships into one offer per role and other side.

XPM may list one relationship twice, or from both sides in one record, and gives no identity to tell by (facts on XPM §3).
The running row counts before an ended one, then the latest begun; what it lacks is taken from the others, and their own
words are kept beside it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from handlers import labels
from portal_db.relationships import Offer
from xpm.records import RelationshipRecord

#: What `relationships.percentage` holds.
_DIGITS = Decimal("0.0001")


def fold(records: Iterable[RelationshipRecord]) -> list[Offer]:
    """One offer per role and other side, in the order in which XPM tells them."""
    groups: dict[tuple[str, UUID], list[RelationshipRecord]] = {}
    for record in records:
        groups.setdefault((labels.read(record.label).role, record.related_uuid), []).append(record)
    return [_fold(role, rows) for (role, _), rows in groups.items()]


def _fold(role: str, rows: list[RelationshipRecord]) -> Offer:
    best, *others = sorted(rows, key=_weight, reverse=True)
    return Offer(
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
    return (record.number_of_shares or None) if labels.has_shares(role) else None


def _percentage(role: str, record: RelationshipRecord) -> Decimal | None:
    """A percentage up to 100; anything else in XPM is a slip, and must not keep the other rows from the reviewers."""
    found = record.percentage if labels.has_percentage(role) else None
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
