"""Clients > Client list."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from handlers.clients import queries
from portal_db.clients.client_queries import ClientFilter
from portal_db.states import ClientKind
from web.pages.frame.forms import NONE
from web.pages.frame.view import page
from web.pages.frame.visitor import TheVisitor
from web.portal import ThePortal

router = APIRouter()

AT_ONCE = 50


class ClientFilters(BaseModel):
    """What the list's form sends; its selects send an empty text for all."""

    q: Annotated[str, Field(max_length=200)] = ""
    kind: ClientKind | Literal[""] = ""
    is_new: Literal["", "yes"] = ""
    cursor: Annotated[str, Field(max_length=200)] = ""

    @property
    def wanted(self) -> ClientFilter:
        return ClientFilter(self.q.strip() or None, self.kind or None, True if self.is_new else None)


@router.get("/clients")
def client_list(
    request: Request, portal: ThePortal, visitor: TheVisitor, asked: Annotated[ClientFilters, Query()]
) -> Response:
    """A page of the clients that the visitor may see."""
    wanted = asked.wanted
    found = queries.page(portal.database, visitor.caller, wanted, cursor=asked.cursor or None, limit=AT_ONCE)
    filters = {name: value for name, value in (("q", asked.q), ("kind", asked.kind), ("is_new", asked.is_new)) if value}
    older = f"/clients?{urlencode({**filters, 'cursor': found.next})}" if found.next else None
    return page(
        request,
        visitor,
        "clients/clients.html",
        found=found,
        wanted=wanted,
        is_narrowed=bool(filters),
        older=older,
        no_faults=NONE,
    )
