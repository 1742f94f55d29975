"""+ Advanced search: the portal's clients, and XPM's records if its integration is ticked, under two headings."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from handlers.directory import search
from web.pages.frame.view import page, part
from web.pages.frame.visitor import TheVisitor, Visitor
from web.portal import Portal, ThePortal

router = APIRouter()

SHORTEST = 2


class Asked(BaseModel):
    """What the search's form sends. An unticked box sends nothing."""

    q: Annotated[str, Field(max_length=200)] = ""
    integration: Literal["xpm", ""] = ""


@router.get("/search")
def advanced_search(
    request: Request, portal: ThePortal, visitor: TheVisitor, asked: Annotated[Asked, Query()]
) -> Response:
    """The search as a page of its own."""
    return page(request, visitor, "clients/search.html", **_found(portal, visitor, asked))


@router.get("/search/results")
def results(portal: ThePortal, visitor: TheVisitor, asked: Annotated[Asked, Query()]) -> Response:
    """The results alone, for the drop-down."""
    return part("clients/search_results.html", visitor=visitor, **_found(portal, visitor, asked))


def _found(portal: Portal, visitor: Visitor, asked: Asked) -> dict[str, Any]:
    q, ticked = asked.q.strip(), bool(asked.integration)
    both = None
    if len(q) >= SHORTEST:
        both = search.everywhere(portal.services, visitor.caller, q, with_xpm=ticked)
    return {"q": q, "ticked": ticked, "both": both}
