"""What looking after the record needs: restores from a backup, and people who asked to be forgotten."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from portal_db.tables.base import Base


class Restore(Base):
    """The database was put back from a backup: emails of imports asked for before this may have left already.

    Its id is also that of the pause which holds everything until the restore is finished.
    """

    __tablename__ = "restores"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    begun_by: Mapped[UUID] = mapped_column(ForeignKey("operators.id"))
    begun_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class Erasure(Base):
    """An XPM record whose person asked to be forgotten: work asked for before this must not bring it back.

    It goes when the practice imports the record anew.
    """

    __tablename__ = "erasures"

    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id"), primary_key=True)
    xpm_uuid: Mapped[UUID] = mapped_column(primary_key=True)
    erased_at: Mapped[datetime]
