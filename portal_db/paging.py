"""Pages of a long list by key: a cursor names the last row shown, and stays valid while rows are added and removed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Self, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Integer, Select, SQLColumnExpression, Uuid, and_, bindparam, or_, select

from portal_db.aliases import alias_of
from portal_db.tables import Base

#: The most rows that any page has, whatever limit is requested.
LONGEST_PAGE = 1_000

S = TypeVar("S", bound=Select[*tuple[Any, ...]])
R = TypeVar("R", bound=Base)


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


#: No id is later.
LAST_ID = UUID(int=2**128 - 1)


def first_id_at(at: datetime) -> UUID:
    """The smallest id that a row made at this time can have: ids are in the order of time (RFC 9562, version 7)."""
    return UUID(int=int(at.timestamp() * 1000) << 80)


@cache
def latest_of(table: type[R]) -> type[R]:
    """The latest rows before an id, for lists of all practices: finished rows may be millions, and no index finds the few
    that a filter is about. PostgreSQL reads them by the primary key, and stops as soon as a page is full. A statement with
    them needs `latest_given`. They are made once: making them takes longer than the statement."""
    row_id: SQLColumnExpression[UUID] = table.id  # type: ignore[attr-defined]  # it has one
    before, most = bindparam("latest_before", type_=Uuid()), bindparam("latest_most", type_=Integer())
    return alias_of(table, select(table).where(row_id < before).order_by(row_id.desc()).limit(most).subquery())


def latest_given(before: UUID | None, *, looked_through: int) -> dict[str, Any]:
    """Parameters of a statement with `latest_of`: so many rows before an id."""
    return {"latest_before": before or LAST_ID, "latest_most": looked_through}


def newer(at: SQLColumnExpression[Any], row_id: SQLColumnExpression[UUID], cursor: Cursor) -> ColumnElement[bool]:
    """Whether a row follows the cursor in a list sorted oldest first."""
    return or_(at > cursor.at, and_(at == cursor.at, row_id > cursor.row_id))
