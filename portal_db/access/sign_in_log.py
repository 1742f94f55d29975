"""The sign-in log. Rows are only added here; housekeeping deletes them after their days."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select

from portal_db.database import Tx
from portal_db.dialect import has_row
from portal_db.paging import Cursor, newest_first
from portal_db.tables import Client, CoOwner, SignInEntry, Staff, TeamMember
from portal_db.types import db_now


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event and the name of whose sign-in it is about, if anybody's."""

    entry: SignInEntry
    name: str | None


def add(tx: Tx, row: dict[str, Any]) -> None:
    tx.session.execute(insert(SignInEntry).values(**row, id=tx.new_id(), at=db_now()))


def has_recent(tx: Tx, practice_id: UUID, event: str, detail: str, *, seconds: float) -> bool:
    """Whether the practice has the same event within the last `seconds`."""
    same = (SignInEntry.practice_id == practice_id, SignInEntry.event == event, SignInEntry.detail == detail)
    return has_row(tx, *same, SignInEntry.at > db_now(-seconds))


def page(tx: Tx, practice_id: UUID | None, *, after: Cursor | None, limit: int) -> list[LoggedEvent]:
    """A page of a practice's events, or of those about nobody's email, newest first."""
    statement = (
        select(SignInEntry, func.coalesce(Staff.name, Client.name, TeamMember.name))
        .outerjoin(Staff, Staff.id == SignInEntry.staff_id)
        .outerjoin(Client, Client.login_id == SignInEntry.login_id)
        .outerjoin(CoOwner, CoOwner.login_id == SignInEntry.login_id)
        .outerjoin(TeamMember, TeamMember.id == CoOwner.team_member_id)
        .where(SignInEntry.practice_id == practice_id)
    )
    rows = tx.session.execute(newest_first(statement, SignInEntry.at, SignInEntry.id, after=after, limit=limit))
    return [LoggedEvent(*row) for row in rows]
