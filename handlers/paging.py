"""Pages of a list, and the cursors that lead from one to the next."""

from __future__ import annotations

from handlers.errors import RequestRefused
from portal_db.paging import BadCursor, Cursor


def read_cursor(text: str | None) -> Cursor | None:
    """The place that a cursor names.

    Raises:
        RequestRefused: it is not one of ours.
    """
    try:
        return Cursor.parse(text) if text else None
    except BadCursor:
        raise RequestRefused(
            "bad_cursor", "This is not a cursor that a list gave.", "Begin at the first page.", field="cursor"
        ) from None
