"""Upkeep of the record: restores from a backup, people who asked to be erased, and revisions that break older releases."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from portal_db.tables.base import Base


class Restore(Base):
    """A restore of the database from a backup: emails of imports requested before it may have been sent already.

    Its id is also the id of the pause that stops everything until the restore is finished.
    """

    __tablename__ = "restores"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    begun_by: Mapped[UUID] = mapped_column(ForeignKey("operators.id"))
    begun_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class Erasure(Base):
    """An XPM record whose person asked to be erased: work requested before must not import it again.

    The row is deleted when the practice imports the record again.
    """

    __tablename__ = "erasures"

    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id"), primary_key=True)
    xpm_uuid: Mapped[UUID] = mapped_column(primary_key=True)
    erased_at: Mapped[datetime]


class BreakingRevision(Base):
    """A revision whose migration took away what older releases use: they cannot work with the tables from there on. Most
    migrations only add, and write nothing here."""

    __tablename__ = "breaking_revisions"

    revision: Mapped[str] = mapped_column(String(32), primary_key=True)
