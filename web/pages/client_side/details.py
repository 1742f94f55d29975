"""What the firm holds of a client and of the entities that they act for, and the terms that they accepted, to read."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from handlers.access import terms
from handlers.clients import client_side
from web.pages.frame.view import page
from web.pages.frame.visitor import TheClient

router = APIRouter(prefix="/my")


@router.get("/details")
def show_details(visitor: TheClient) -> Response:
    return page(visitor, "client_side/details.html", records=client_side.records(visitor.database, visitor.caller))


@router.get("/terms")
def show_terms(visitor: TheClient) -> Response:
    return page(visitor, "client_side/terms.html", accepted=terms.accepted(visitor.database, visitor.caller))
