"""+ Advanced search: the portal's clients and, if its integration is ticked, XPM's records, under two headings."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from handlers.directory import search
from handlers.fields import Text
from web.http.cookies import cookie_rules
from web.pages.frame.view import page, part
from web.pages.frame.visitor import SEARCH_IN, TheVisitor, Visitor
from web.pages.frame.xpm_search import SHORTEST
from web.usage import Use

router = APIRouter()


#: Seconds for which a browser keeps what was ticked.
REMEMBERED = 365 * 86_400
#: Results under each heading at first, and with "Show more"; and of XPM before anything is typed.
FIRST, MOST, BROWSED = 25, 500, 20


class SearchQuery(BaseModel):
    """What the search form sends. An unticked box sends nothing."""

    q: Annotated[Text, Field(max_length=200)] = ""
    integration: Literal["xpm", ""] = ""
    show: Literal["more", ""] = ""


@router.get("/search")
def advanced_search(visitor: TheVisitor, query: Annotated[SearchQuery, Query()]) -> Response:
    """The search as a page of its own."""
    return _remember(visitor, query, page(visitor, "clients/search.html", **_found(visitor, query)))


@router.get("/search/results")
def results(visitor: TheVisitor, query: Annotated[SearchQuery, Query()]) -> Response:
    """Only the results, for the drop-down."""
    return _remember(visitor, query, part("clients/search_results.html", visitor=visitor, **_found(visitor, query)))


def _remember(visitor: Visitor, query: SearchQuery, answer: Response) -> Response:
    """Keep for the next search in this browser whether XPM is ticked."""
    if query.q or query.integration:
        ticked = "xpm" if query.integration else "none"
        answer.set_cookie(SEARCH_IN, ticked, max_age=REMEMBERED, **cookie_rules(visitor.portal))
    return answer


def _found(visitor: Visitor, query: SearchQuery) -> dict[str, Any]:
    q = query.q.strip()
    ticked = bool(query.integration) or (not query.q and visitor.searches_xpm)
    both, limit = None, MOST if query.show else FIRST
    if len(q) >= SHORTEST:
        visitor.portal.uses.take(Use.SEARCH, visitor.caller)
        both = search.search_all(visitor.services, visitor.caller, q, with_xpm=ticked, limit=limit)
    elif ticked and not visitor.xpm.trouble:
        visitor.portal.uses.take(Use.SEARCH, visitor.caller)
        both = search.browse_xpm(visitor.services, visitor.caller, limit=BROWSED)
    more = "/search?" + urlencode({"q": q, "show": "more"} | ({"integration": "xpm"} if ticked else {}))
    return {
        "q": q,
        "is_typed": len(q) >= SHORTEST,
        "ticked": ticked,
        "both": both,
        "more": None if query.show else more,
    }
