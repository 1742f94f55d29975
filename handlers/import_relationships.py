"""import_relationships: each relationship in XPM becomes a review item, unless it is linked already (b.18 to b.21).

Nothing shows in the client's Team until a reviewer decides. Linked ones are brought up to date without review.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal

from handlers.directory import Seen
from handlers.flow import FollowUp, job_arg
from handlers.links import require_link
from portal_db import relationships
from portal_db.database import Tx
from portal_db.tables import Import, Job
from xpm.records import RelationshipRecord


def apply(tx: Tx, job: Job, row: Import, seen: Seen) -> Sequence[FollowUp]:
    """Offer what XPM has for review; pending items it no longer has are superseded (b.27).

    Raises:
        Rejected: the client was disconnected from XPM meanwhile (b.11).
    """
    client = require_link(tx, row.practice_id, job_arg(job, "client_id"), seen)
    offered = [
        relationships.Offer(
            label=record.label[:500],
            label_key=label_key(record.label),
            other_xpm_uuid=record.related_uuid,
            other_name=record.related_name[:10_000],
            number_of_shares=record.number_of_shares,
            percentage=_share(record.percentage),
            start_date=record.start_date,
            end_date=record.end_date,
        )
        for record in one_per_relationship(seen.record.relationships)
    ]
    relationships.offer(tx, row.practice_id, client.id, offered, as_of=seen.as_of, import_id=row.id)
    relationships.update_linked_members(tx, client.id, offered, as_of=seen.as_of)
    return []


def label_key(label: str) -> str:
    """A label as compared: case and spacing do not make another relationship."""
    return " ".join(label.split()).casefold()[:500]


def _share(percentage: Decimal | None) -> Decimal | None:
    """A percentage of 0 to 100; anything else in XPM is a slip, and must not keep the other rows from the reviewers."""
    return percentage if percentage is not None and 0 <= percentage <= 100 else None


def one_per_relationship(records: Iterable[RelationshipRecord]) -> list[RelationshipRecord]:
    """One record per label and other side: the running one before an ended one, then the latest begun.

    XPM may list one relationship twice, and gives no identity to tell by (facts on XPM §3).
    """
    best: dict[tuple[str, object], RelationshipRecord] = {}
    for record in records:
        key = (label_key(record.label), record.related_uuid)
        if key not in best or _recency(record) > _recency(best[key]):
            best[key] = record
    return list(best.values())


def _recency(record: RelationshipRecord) -> tuple[bool, date, date]:
    return (record.end_date is None, record.start_date or date.min, record.end_date or date.min)
