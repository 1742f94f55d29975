"""Relationships as XPM tells them, and where each stands in review. One row per client, label and other side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import case, or_, select, update

from portal_db import erasures
from portal_db.database import Tx
from portal_db.dialect import upsert
from portal_db.states import FieldSource, ReviewState
from portal_db.tables import Relationship, TeamMember

#: Decided by a reviewer. Spelled out, since a list of rows cannot be inserted with an IN.
_IS_TIED = or_(Relationship.state == ReviewState.IMPORTED, Relationship.state == ReviewState.LINKED)


@dataclass(frozen=True, slots=True)
class Offer:
    """A relationship as XPM has it now. `percentage` is 0 to 100; `end_date` is set when it has ended."""

    label: str
    label_key: str
    other_xpm_uuid: UUID
    other_name: str
    number_of_shares: int | None
    percentage: Decimal | None
    start_date: date | None
    end_date: date | None


def offer(
    tx: Tx, practice_id: UUID, client_id: UUID, offers: Sequence[Offer], *, as_of: datetime, import_id: UUID
) -> None:
    """Put what a person's import found before the reviewers.

    New ones and ignored ones become pending (b.20), pending ones are renewed in place (b.27), linked ones only take the
    new values (b.19). Pending ones that XPM no longer has are superseded. News older than a row's is a no-op. People
    who asked to be forgotten are not offered.
    """
    erased = erasures.among(tx, practice_id, {item.other_xpm_uuid for item in offers})
    offers = [item for item in offers if item.other_xpm_uuid not in erased]
    fresh = {"practice_id": practice_id, "client_id": client_id, "import_id": import_id, "as_of": as_of}
    if offers:
        rows = [
            {**asdict(item), **fresh, "id": tx.new_id(), "state": ReviewState.PENDING, "version": 1} for item in offers
        ]
        statement = upsert(tx, Relationship)
        news = ("label", "other_name", "number_of_shares", "percentage", "start_date", "end_date", "import_id", "as_of")
        tx.session.execute(
            statement.on_conflict_do_update(
                index_elements=["client_id", "label_key", "other_xpm_uuid"],
                set_={
                    **{name: statement.excluded[name] for name in news},
                    "state": case((_IS_TIED, Relationship.state), else_=ReviewState.PENDING),
                    "version": Relationship.version + 1,
                },
                where=Relationship.as_of < statement.excluded.as_of,
            ),
            rows,
        )
    tx.session.execute(
        update(Relationship)
        .where(
            Relationship.client_id == client_id, Relationship.state == ReviewState.PENDING, Relationship.as_of < as_of
        )
        .values(state=ReviewState.SUPERSEDED, version=Relationship.version + 1, as_of=as_of)
        .execution_options(synchronize_session=False)
    )


def update_linked_members(tx: Tx, client_id: UUID, offers: Sequence[Offer], *, as_of: datetime) -> None:
    """Bring the team members that are tied to an offered record up to date (b.19, b.21)."""
    tied = select(TeamMember).where(TeamMember.client_id == client_id, TeamMember.as_of < as_of)
    names = {item.other_xpm_uuid: item.other_name[:500] for item in offers}
    for member in tx.session.scalars(tied.where(TeamMember.xpm_uuid.is_not(None))).all():
        if member.xpm_uuid in names:
            tx.session.execute(
                update(TeamMember)
                .where(TeamMember.id == member.id, TeamMember.as_of < as_of)
                .values(name=names[member.xpm_uuid], source=FieldSource.XPM, as_of=as_of)
                .execution_options(synchronize_session=False)
            )


def of_client(tx: Tx, client_id: UUID) -> list[Relationship]:
    statement = select(Relationship).where(Relationship.client_id == client_id)
    return list(tx.session.scalars(statement.order_by(Relationship.label_key, Relationship.other_name)))
