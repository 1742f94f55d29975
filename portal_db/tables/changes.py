"""Changes: each client's history, field by field, and a summary of each re-sync of a practice's relationships."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal_db.states import ChangeSource
from portal_db.tables.base import Base


class ClientChange(Base):
    """A change of one field of a client, a relationship or a team member. Deleted after the retention period.

    `about` is one of `client`, `relationship` and `team_member`; the last two have an id and, for display, a name.
    """

    __tablename__ = "client_changes"
    __table_args__ = (
        ForeignKeyConstraint(["practice_id", "client_id"], ["clients.practice_id", "clients.id"]),
        Index("ix_client_changes_client", "client_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id"))
    client_id: Mapped[UUID]
    at: Mapped[datetime]
    source: Mapped[ChangeSource]
    #: The staff member who made the change, if a person did.
    staff_id: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id"))
    import_id: Mapped[UUID | None] = mapped_column(ForeignKey("imports.id"))
    sync_id: Mapped[UUID | None]
    about: Mapped[str] = mapped_column(String(20))
    about_id: Mapped[UUID | None]
    about_name: Mapped[str | None] = mapped_column(Text)
    field: Mapped[str] = mapped_column(String(40))
    before: Mapped[str | None] = mapped_column(Text)
    after: Mapped[str | None] = mapped_column(Text)


class RelationshipSync(Base):
    """What one sync of a directory changed in one practice's relationships. `waiting`: pending items at its end."""

    __tablename__ = "relationship_syncs"
    __table_args__ = (UniqueConstraint("practice_id", "sync_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id"))
    directory_id: Mapped[UUID]
    sync_id: Mapped[UUID]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    #: Clients whose XPM record had changed.
    clients: Mapped[int]
    added: Mapped[int]
    changed: Mapped[int]
    ended: Mapped[int]
    conflicts: Mapped[int]
    waiting: Mapped[int]
