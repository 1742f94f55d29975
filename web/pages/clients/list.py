"""Clients > Client list."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from handlers.clients import queries
from portal_db.clients.client_queries import ClientFilter
from portal_db.states import ClientKind
from web.pages.frame.view import page
from web.pages.frame.visitor import TheVisitor

router = APIRouter()

PAGE_SIZE = 50


class ClientQuery(BaseModel):
    """The list's filters as its form sends them; an empty value means all."""

    q: Annotated[str, Field(max_length=200)] = ""
    kind: ClientKind | Literal[""] = ""
    is_new: Literal["", "yes"] = ""
    cursor: Annotated[str, Field(max_length=200)] = ""


@router.get("/clients")
def client_list(visitor: TheVisitor, query: Annotated[ClientQuery, Query()]) -> Response:
    """A page of the clients that the visitor may see."""
    wanted = ClientFilter(query.q.strip() or None, query.kind or None, True if query.is_new else None)
    found = queries.list_clients(visitor.database, visitor.caller, wanted, cursor=query.cursor or None, limit=PAGE_SIZE)
    filters = {name: value for name, value in query if value and name != "cursor"}
    older = f"/clients?{urlencode({**filters, 'cursor': found.next})}" if found.next else None
    return page(visitor, "clients/clients.html", found=found, wanted=wanted, is_filtered=bool(filters), older=older)
