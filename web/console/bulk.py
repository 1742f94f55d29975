"""Acts on many dead letters: previewed by outcome, started at a pace, followed, stopped and resumed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from handlers import refusals
from handlers.access.act import Act
from handlers.access.operator_roles import OpsAct
from handlers.errors import RequestRefused
from handlers.integration import by_hand
from handlers.operations import bulk, job_query
from handlers.operations.bulk import Preview, Selection
from portal_db.database import Database
from portal_db.states import BulkAction, ConnectionState
from web.console.operator import MOST_IDS, AtConsole, OpsPosted, TheOperator, Words, posted
from web.console.view import page, redirect
from web.console.words import errors_of
from web.pages.frame.forms import NO_ERRORS, FormErrors
from web.portal import budget_of

router = APIRouter()

FASTEST = 6_000
BULK = Annotated[OpsPosted, Depends(posted(OpsAct.BULK))]


@router.get("/dead/act")
def show_act(
    operator: TheOperator,
    action: BulkAction,
    q: Words = "",
    job: Annotated[list[UUID] | None, Query(max_length=MOST_IDS)] = None,
    all: Words = "",
) -> Response:
    """What an act would do: to the selected dead letters, or to all that match."""
    if not job and not all:
        return redirect("/dead", q=q, message="none-chosen")
    return _act_page(operator, action, q, tuple(job or ()) if not all else ())


@router.post("/dead/act")
def start(form: BULK) -> Response:
    """Start an act; this needs a code of the second factor that was given recently."""
    q, ids, action = form.text("q"), form.ids("job"), _action(form.text("action"))
    try:
        selection, pace, act = _selection(q, ids), _pace(form.text("per_minute")), form.act()
        form.confirm()
        row = bulk.start(form.operator.database, act, selection, action, shown=form.count("shown"), per_minute=pace)
    except RequestRefused as refused:
        typed = {name: form.text(name) for name in ("reason", "per_minute")}
        return _act_page(form.operator, action, q, ids, errors_of(refused, ("reason", "per_minute", "code")), **typed)
    return redirect(f"/dead/acts/{row.id}", message="bulk-started")


@router.get("/dead/acts/{bulk_id}")
def show_started(operator: TheOperator, bulk_id: UUID) -> Response:
    """How far an act is."""
    return page(operator, "console/bulk.html", entry=bulk.get(operator.database, bulk_id), reason="")


@router.post("/dead/acts/{bulk_id}/stop")
def stop(form: BULK, bulk_id: UUID) -> Response:
    return _change(form, bulk_id, bulk.stop, "bulk-stopped")


@router.post("/dead/acts/{bulk_id}/resume")
def resume(form: BULK, bulk_id: UUID) -> Response:
    return _change(form, bulk_id, bulk.resume, "bulk-resumed")


def _change(form: OpsPosted, bulk_id: UUID, change: Callable[[Database, Act, UUID], object], message: str) -> Response:
    database = form.operator.database
    try:
        change(database, form.act(), bulk_id)
    except RequestRefused as refused:
        errors, entry = errors_of(refused), bulk.get(database, bulk_id)
        return page(form.operator, "console/bulk.html", errors, entry=entry, reason=form.text("reason"))
    return redirect(f"/dead/acts/{bulk_id}", message=message)


def _selection(q: str, ids: tuple[UUID, ...]) -> Selection:
    return Selection(ids=ids) if ids else Selection(job_query.parse(q, bulk.DEAD))


def _action(text: str) -> BulkAction:
    if text not in tuple(BulkAction):
        raise refusals.BAD_FIELD(field="action", reason="there is no such act")
    return BulkAction(text)


def _pace(text: str) -> int | None:
    if not text:
        return None
    if not re.fullmatch("[0-9]{1,4}", text) or not 1 <= int(text) <= FASTEST:
        raise refusals.BAD_FIELD(field="per_minute", reason=f"write a number from 1 to {FASTEST:,}, or leave it empty")
    return int(text)


def _act_page(
    operator: AtConsole,
    action: BulkAction,
    q: str,
    ids: tuple[UUID, ...],
    errors: FormErrors = NO_ERRORS,
    *,
    reason: str = "",
    per_minute: str = "",
) -> Response:
    found = None
    try:
        found = bulk.preview(operator.database, _selection(q, ids), action)
    except RequestRefused as refused:
        errors = errors_of(refused)
    shown = {"action": action, "q": q, "ids": ids, "found": found, "reason": reason, "per_minute": per_minute}
    return page(operator, "console/act.html", errors, **shown, left=_calls_left(operator, found))


def _calls_left(operator: AtConsole, found: Preview | None) -> int | None:
    """Calls to XPM left today, where all that would be requeued goes to one practice of XPM."""
    if found is None or len(found.practices) != 1:
        return None
    known = by_hand.listing(operator.database, found.practices[0])
    tenants = {each.tenant_id for each in known if each.state is ConnectionState.CONNECTED}
    return budget_of(operator.console, tenants.pop()).left_today if len(tenants) == 1 else None
