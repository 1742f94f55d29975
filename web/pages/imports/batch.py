"""A batch: its progress until it is closed, then what became of it, to be corrected and sent again."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from handlers.imports import queries
from handlers.imports.request import ImportWishes
from portal_db.states import ImportState
from portal_db.tables import Import
from web.http.bodies import NewBatch
from web.pages.frame.view import page, part
from web.pages.frame.visitor import TheVisitor, Visitor
from web.pages.imports.new_batch import EMAIL_CODES
from web.portal import Portal, ThePortal

router = APIRouter()

#: Rows that came to nothing, shown on the page; the CSV has all.
SHOWN = 100


@router.get("/batches/{batch_id}")
def show(request: Request, portal: ThePortal, visitor: TheVisitor, batch_id: UUID) -> Response:
    """How a batch stands. While it is open the page follows it."""
    return page(request, visitor, "imports/batch.html", **_standing(portal, visitor, batch_id))


@router.get("/batches/{batch_id}/standing")
def show_standing(portal: ThePortal, visitor: TheVisitor, batch_id: UUID) -> Response:
    """The changing part of the page alone."""
    return part("imports/batch_status.html", visitor=visitor, **_standing(portal, visitor, batch_id))


def _standing(portal: Portal, visitor: Visitor, batch_id: UUID) -> dict[str, Any]:
    found = queries.batch(portal.database, visitor.caller, batch_id)
    trouble = queries.rows(portal.database, visitor.caller, batch_id, limit=SHOWN)
    states = [(state, found.states[state]) for state in ImportState if found.states.get(state)]
    fixable = [each for each in trouble if each.row.state is ImportState.REJECTED]
    return {
        "found": found,
        "states": states,
        "closed": found.row.size - found.open,
        "trouble": trouble,
        "fixable": fixable,
        "packed": _packed([each.row for each in fixable]) if fixable else "",
        "email_codes": EMAIL_CODES,
        "nothing": sum(found.states.get(state, 0) for state in queries.STATES),
    }


def _packed(rows: list[Import]) -> str:
    """Rows as they were asked for, to travel in a form to the check."""
    wishes = [
        ImportWishes.model_validate({name: getattr(row, name) for name in ImportWishes.model_fields}) for row in rows
    ]
    return NewBatch(rows=wishes).model_dump_json(exclude_defaults=True)
