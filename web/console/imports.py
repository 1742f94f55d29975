"""Imports: searched by practice and state, and one with its jobs and history: corrected, cancelled, revealed."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from handlers.access.operator_roles import OpsAct
from handlers.errors import RequestRefused
from handlers.imports import amend as amending
from handlers.imports import cancel as cancelling
from handlers.imports import queries
from handlers.operations import searches
from handlers.operations.searches import Revealed
from portal_db.states import OPEN_IMPORT_STATES, ImportState
from web.console.operator import AtConsole, OpsPosted, TheOperator, Words, posted
from web.console.view import back, page
from web.console.words import errors_of
from web.pages.frame.forms import NO_ERRORS, FormErrors

router = APIRouter()

#: What a select of states offers besides the states themselves.
OPEN = "open"
CORRECTIONS = ("email", "name")


@router.get("/imports")
def show_imports(
    operator: TheOperator, practice: UUID | None = None, state: Words = "", after: Words | None = None
) -> Response:
    """Imports, newest first."""
    found, more = searches.import_list(operator.database, practice_id=practice, states=_states(state), after=after)
    shown: dict[str, Any] = {"practice": practice, "state": state, "states": _options(), "found": found, "more": more}
    return page(operator, "console/imports.html", **shown)


def _states(chosen: str) -> tuple[ImportState, ...]:
    """The states that a select's value stands for; none: any."""
    return (
        tuple(sorted(OPEN_IMPORT_STATES)) if chosen == OPEN else tuple(each for each in ImportState if each == chosen)
    )


def _options() -> list[tuple[str, str]]:
    return [("", "Any state"), (OPEN, "Open"), *((each.value, each.value.replace("_", " ")) for each in ImportState)]


@router.get("/batches/{batch_id}")
def show_batch(
    operator: TheOperator, batch_id: UUID, state: Words = "", after: Annotated[int, Query(ge=-1, le=10_000)] = -1
) -> Response:
    """A batch: how far it is, and its imports in request order."""
    found = searches.batch(operator.database, batch_id, states=_states(state), after=after)
    return page(operator, "console/batch.html", found=found, state=state, states=_options())


@router.get("/imports/{import_id}")
def show_import(operator: TheOperator, import_id: UUID) -> Response:
    return _import_page(operator, import_id)


@router.post("/imports/{import_id}/reveal")
def reveal(form: Annotated[OpsPosted, Depends(posted(OpsAct.REVEAL))], import_id: UUID) -> Response:
    """The same page with the person's data, once."""
    try:
        shown = searches.reveal(form.operator.database, form.act(), import_id)
    except RequestRefused as refused:
        return _import_page(form.operator, import_id, errors_of(refused), form)
    return _import_page(form.operator, import_id, revealed=shown)


@router.post("/imports/{import_id}/amend")
def amend(form: Annotated[OpsPosted, Depends(posted(OpsAct.AMEND))], import_id: UUID) -> Response:
    """Correct the email address or name, and validate the import again."""
    wishes = {name: form.text(name) for name in CORRECTIONS if form.text(name)}
    try:
        amending.amend(form.operator.database, form.act(), import_id, wishes)
    except RequestRefused as refused:
        return _import_page(form.operator, import_id, errors_of(refused, ("amend-reason", *CORRECTIONS)), form)
    return back(form, f"/imports/{import_id}", message="amended")


@router.post("/imports/{import_id}/cancel")
def cancel(form: Annotated[OpsPosted, Depends(posted(OpsAct.CANCEL))], import_id: UUID) -> Response:
    """Cancel what is left of an import."""
    try:
        cancelling.cancel(form.operator.database, form.act(), import_id)
    except RequestRefused as refused:
        return _import_page(form.operator, import_id, errors_of(refused), form)
    return back(form, f"/imports/{import_id}", message="cancelled")


def _import_page(
    operator: AtConsole,
    import_id: UUID,
    errors: FormErrors = NO_ERRORS,
    form: OpsPosted | None = None,
    *,
    revealed: Revealed | None = None,
) -> Response:
    found = queries.details(operator.database, import_id)
    typed = {name: form.text(name) if form else "" for name in ("reason", *CORRECTIONS)}
    amendable = found.row.state in amending.AMENDABLE
    shown: dict[str, Any] = {"found": found, "row": found.row, "typed": typed, "revealed": revealed}
    return page(operator, "console/import.html", errors, **shown, amendable=amendable)
