"""Pages of a long list by key: a cursor names the last row shown, and stays valid while rows are added and removed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, SQLColumnExpression, and_, or_, select, true

from portal_db.database import Tx

#: The most rows that any page has, whatever limit is requested.
LONGEST_PAGE = 1_000

S = TypeVar("S", bound=Select[*tuple[Any, ...]])


#: Times beyond these are nobody's: some cannot be converted to UTC.
EARLIEST, LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2199, 12, 31, tzinfo=UTC)


class BadCursor(ValueError):
    """The text is not a cursor."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """A row's position in a list sorted by time and then by id."""

    at: datetime
    row_id: UUID

    def __str__(self) -> str:
        return f"{self.at.isoformat()}~{self.row_id}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a cursor as it was printed.

        Raises:
            BadCursor: the text is not a cursor.
        """
        at, _, row_id = text.partition("~")
        try:
            found = cls(datetime.fromisoformat(at), UUID(row_id))
        except ValueError:
            raise BadCursor(text) from None
        if found.at.tzinfo is None or not EARLIEST <= found.at <= LATEST:
            raise BadCursor(text)
        return found


def newest_first(
    statement: S, at: SQLColumnExpression[Any], row_id: SQLColumnExpression[UUID], *, after: Cursor | None, limit: int
) -> S:
    """The page of a query that follows the cursor, sorted by time and then by id, newest first."""
    if after is not None:
        statement = statement.where(at <= after.at, or_(at < after.at, row_id < after.row_id))
    return statement.order_by(at.desc(), row_id.desc()).limit(limit)


def total_of(found: Sequence[object], limit: int, count: Callable[[], int], *, offset: int = 0) -> int:
    """How many rows a list has, of which `found` are those from an offset on. Counts them only where more may follow."""
    if len(found) < limit and (found or not offset):
        return offset + len(found)
    return count()


def is_any_time(at: SQLColumnExpression[Any]) -> ColumnElement[bool]:
    """A condition that every time meets, for lists that an index has in order: without statistics PostgreSQL takes any other
    index of the same rows for as good, reads the whole list from it, and sorts; a range makes the right one look better."""
    return at.between(datetime(1900, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))


def by_id(statement: S, row_id: SQLColumnExpression[UUID], *, after: UUID | None, limit: int) -> S:
    """The page of a query that follows the row with the id `after`, in the order of ids."""
    if after is not None:
        statement = statement.where(row_id > after)
    return statement.order_by(row_id).limit(limit)


#: No id is earlier, and none later.
_FIRST_ID, LAST_ID = UUID(int=0), UUID(int=2**128 - 1)


def first_id_at(at: datetime) -> UUID:
    """The smallest id that a row made at this time can have: ids are in the order of time (RFC 9562, version 7)."""
    return UUID(int=int(at.timestamp() * 1000) << 80)


def among_latest(
    tx: Tx, row_id: SQLColumnExpression[UUID], *, before: UUID | None, looked_through: int
) -> ColumnElement[bool]:
    """Whether a row is among so many latest ones before an id, for lists of all practices: finished rows may be millions,
    and no index finds the few that a filter is about. A range of ids, which the primary key always serves."""
    keys = select(row_id).order_by(row_id.desc()).offset(looked_through).limit(1)
    if before is not None:
        keys = keys.where(row_id.between(_FIRST_ID, before), row_id != before)
    first = tx.session.scalar(keys) or _FIRST_ID
    return and_(row_id.between(first, before or LAST_ID), row_id != before if before is not None else true())


def newer(at: SQLColumnExpression[Any], row_id: SQLColumnExpression[UUID], cursor: Cursor) -> ColumnElement[bool]:
    """Whether a row follows the cursor in a list sorted oldest first."""
    return or_(at > cursor.at, and_(at == cursor.at, row_id > cursor.row_id))
