"""+ Advanced search: the portal's clients and, if its integration is ticked, XPM's records, under two headings."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from handlers.directory import search
from web.pages.frame.view import page, part
from web.pages.frame.visitor import TheVisitor, Visitor
from web.pages.frame.xpm_search import SHORTEST

router = APIRouter()


class SearchQuery(BaseModel):
    """What the search form sends. An unticked box sends nothing."""

    q: Annotated[str, Field(max_length=200)] = ""
    integration: Literal["xpm", ""] = ""


@router.get("/search")
def advanced_search(visitor: TheVisitor, query: Annotated[SearchQuery, Query()]) -> Response:
    """The search as a page of its own."""
    return page(visitor, "clients/search.html", **_found(visitor, query))


@router.get("/search/results")
def results(visitor: TheVisitor, query: Annotated[SearchQuery, Query()]) -> Response:
    """Only the results, for the drop-down."""
    return part("clients/search_results.html", visitor=visitor, **_found(visitor, query))


def _found(visitor: Visitor, query: SearchQuery) -> dict[str, Any]:
    q, ticked = query.q.strip(), bool(query.integration)
    both = None
    if len(q) >= SHORTEST:
        both = search.search_all(visitor.services, visitor.caller, q, with_xpm=ticked)
    return {"q": q, "ticked": ticked, "both": both}
