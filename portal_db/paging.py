"""Pages of a long list by key: a cursor names the last row that was shown, and survives rows coming and going."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from sqlalchemy import ColumnElement, SQLColumnExpression, and_, or_

#: A list is never longer than this, whatever is asked for.
LONGEST_PAGE = 1_000


class BadCursor(ValueError):
    """Text that is no cursor of ours."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The place of a row in a list that is sorted by a time and, within it, by id."""

    at: datetime
    row_id: UUID

    def __str__(self) -> str:
        return f"{self.at.isoformat()}~{self.row_id}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a cursor as it was printed.

        Raises:
            BadCursor: it is none.
        """
        at, _, row_id = text.partition("~")
        try:
            found = cls(datetime.fromisoformat(at), UUID(row_id))
        except ValueError:
            raise BadCursor(text) from None
        if found.at.tzinfo is None:
            raise BadCursor(text)
        return found


def older(at: SQLColumnExpression[Any], row_id: SQLColumnExpression[UUID], cursor: Cursor) -> ColumnElement[bool]:
    """Rows that come after the cursor's, newest first."""
    return or_(at < cursor.at, and_(at == cursor.at, row_id < cursor.row_id))


def newer(at: SQLColumnExpression[Any], row_id: SQLColumnExpression[UUID], cursor: Cursor) -> ColumnElement[bool]:
    """Rows that come after the cursor's, oldest first."""
    return or_(at > cursor.at, and_(at == cursor.at, row_id > cursor.row_id))
