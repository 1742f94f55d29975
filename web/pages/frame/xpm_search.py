"""Searching XPM by name, for the pages that offer its records: to add, to choose for a batch, or to link."""

from __future__ import annotations

from handlers.directory import search
from handlers.directory.search import SearchResult
from handlers.errors import JobError
from web.pages.frame.visitor import Visitor
from web.usage import Use

#: Characters; a shorter text is not searched for.
SHORTEST = 2


def search_xpm(visitor: Visitor, text: str) -> tuple[list[SearchResult] | None, JobError | None]:
    """The records found, or why XPM cannot answer; neither if nothing was searched for or XPM is not connected."""
    text = text.strip()
    if len(text) < SHORTEST or visitor.xpm.trouble is not None:
        return None, None
    visitor.portal.uses.take(Use.SEARCH, visitor.caller)
    try:
        return search.search_xpm(visitor.services, visitor.caller, text), None
    except JobError as trouble:
        return None, trouble
