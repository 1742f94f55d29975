"""A batch: its progress while it is open, then its result, with rejected rows to correct and send again."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response

from handlers.imports import queries
from handlers.imports.request import ImportWishes
from portal_db.states import ImportState
from web.http.bodies import NewBatch
from web.pages.add_clients.new_batch import EMAIL_CODES
from web.pages.frame.step_up import asked_first
from web.pages.frame.view import page, part, redirect
from web.pages.frame.visitor import TheVisitor, TheWatcher, Visitor

router = APIRouter()

#: Rows that were not imported, on the page; the CSV has all of them.
SHOWN = 100


@router.get("/batches/{batch_id}")
def show(visitor: TheVisitor, batch_id: UUID) -> Response:
    """A batch. While it is open, the page follows it."""
    return page(visitor, "imports/batch.html", **_status(visitor, batch_id))


@router.get("/batches/{batch_id}/standing")
def show_status(visitor: TheWatcher, batch_id: UUID) -> Response:
    """Only the part of the page that changes."""
    return part("imports/batch_status.html", visitor=visitor, **_status(visitor, batch_id))


@router.get("/batches/{batch_id}/result.csv")
def download(visitor: TheVisitor, batch_id: UUID) -> Response:
    """The rows that were not imported as a file, for somebody who confirmed that it is them; the API makes it."""
    if (asked := asked_first(visitor, f"/batches/{batch_id}")) is not None:
        return asked
    return redirect(f"/api/v1/batches/{batch_id}/result?only_open_or_failed=true")


def _status(visitor: Visitor, batch_id: UUID) -> dict[str, Any]:
    found = queries.get_batch(visitor.database, visitor.caller, batch_id)
    not_imported = queries.unsuccessful_rows(visitor.database, visitor.caller, batch_id, limit=SHOWN)
    fixable = [each for each in not_imported if each.row.state is ImportState.REJECTED]
    wishes = [
        ImportWishes.model_validate({name: getattr(each.row, name) for name in ImportWishes.model_fields})
        for each in fixable
    ]
    return {
        "found": found,
        "states": [(state, found.states[state]) for state in ImportState if found.states.get(state)],
        "closed": found.row.size - found.open,
        "not_imported": not_imported,
        "not_imported_count": sum(found.states.get(state, 0) for state in queries.UNSUCCESSFUL),
        "fixable": fixable,
        # The rows as they were requested travel in the form to the check.
        "packed": NewBatch(rows=wishes).model_dump_json(exclude_defaults=True) if wishes else "",
        "email_codes": EMAIL_CODES,
    }
