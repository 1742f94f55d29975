"""What needs me: a person's failed imports, items to review, broken connection and finished batches, in one list."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from handlers.imports import needs
from web.pages.frame.view import page
from web.pages.frame.visitor import TheVisitor

router = APIRouter()


@router.get("/needs-me")
def show(visitor: TheVisitor) -> Response:
    """Everything that waits for the visitor."""
    return page(visitor, "clients/needs.html", needs=needs.of_staff(visitor.database, visitor.caller))
