"""Practices: one with its connections, quota, open work and pauses; and pausing and resuming work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from handlers import refusals
from handlers.access.act import Act
from handlers.access.operator_roles import OpsAct
from handlers.errors import RequestRefused
from handlers.operations import pauses, searches
from handlers.operations.forecast import Forecast, forecast
from handlers.operations.searches import PracticeNow
from handlers.schedule import control
from portal_db.states import ConnectionState, Lane
from portal_db.work.pauses import Scope
from web.console import system
from web.console.console import Console
from web.console.operator import AtConsole, OpsPosted, TheOperator, Words, posted
from web.console.view import back, page
from web.console.words import errors_of
from web.pages.frame.forms import NO_ERRORS, FormErrors
from web.portal import quota_status
from xpm.quota import Limits, Status

router = APIRouter()

Pausing = Annotated[OpsPosted, Depends(posted(OpsAct.PAUSE))]
PausingEverything = Annotated[OpsPosted, Depends(posted(OpsAct.PAUSE_EVERYTHING))]


@dataclass(frozen=True)
class Quota:
    """What a tenant has used of XPM's limits; `None` while nobody can say."""

    tenant_id: str
    limits: Limits
    used: Status | None
    forecast: Forecast | None


@router.get("/practices")
def show_practices(operator: TheOperator, name: Words = "", after: Words | None = None) -> Response:
    found, more = searches.practices(operator.database, name=name.strip()[:100], after=after)
    return page(operator, "console/practices.html", name=name, found=found, more=more)


@router.get("/practices/{practice_id}")
def show_practice(operator: TheOperator, practice_id: UUID) -> Response:
    return _practice_page(operator, practice_id)


@router.post("/practices/{practice_id}/pause")
def pause_practice(form: Pausing, practice_id: UUID) -> Response:
    """Pause a practice, or one lane of it."""
    try:
        scope = Scope(practice_id, _lane(form.text("lane")), None)
        pauses.pause(form.operator.database, form.act(), scope)
    except RequestRefused as refused:
        return _practice_page(form.operator, practice_id, errors_of(refused, ("reason",)), form)
    return back(form, f"/practices/{practice_id}", message="paused")


@router.post("/pauses/resume")
def resume(form: Pausing) -> Response:
    """Resume a practice, a lane or a kind."""
    return _done(form, lambda act: pauses.resume(form.operator.database, act, _scope(form)), "resumed")


@router.post("/pauses/everything")
def pause_everything(form: PausingEverything) -> Response:
    """Pause all work; this needs a code of the second factor that was given recently."""

    def do(act: Act) -> None:
        form.confirm()
        pauses.pause(form.operator.database, act, Scope())

    return _done(form, do, "paused", ("all-reason", "all-code"))


@router.post("/pauses/everything/resume")
def resume_everything(form: PausingEverything) -> Response:
    """End the pause of all work; other pauses stay."""
    return _done(form, lambda act: pauses.resume(form.operator.database, act, Scope()), "resumed")


@router.post("/pauses")
def pause_part(form: Pausing) -> Response:
    """Pause a lane or a kind, of every practice."""
    return _done(form, lambda act: pauses.pause(form.operator.database, act, _scope(form)), "paused", ("pause-reason",))


def _done(form: OpsPosted, do: Callable[[Act], object], message: str, fields: tuple[str, ...] = ()) -> Response:
    """Back to the page that the form was on; refused, the page of the system says why, with what was typed."""
    try:
        do(form.act())
    except RequestRefused as refused:
        return system.system_page(form.operator, errors_of(refused, fields), form)
    return back(form, "/system", message=message)


def _scope(form: OpsPosted) -> Scope:
    """A scope that is not everything.

    Raises:
        RequestRefused: it is everything, or cannot be read.
    """
    practice = form.text("practice")
    try:
        scope = Scope(UUID(practice) if practice else None, _lane(form.text("lane")), form.text("kind") or None)
    except ValueError:
        raise refusals.UNKNOWN_PRACTICE() from None
    if scope == Scope():
        raise refusals.BAD_FIELD(field="scope", reason="choose a practice, a lane or a kind")
    return scope


def _lane(text: str) -> Lane | None:
    if text and text not in tuple(Lane):
        raise refusals.BAD_FIELD(field="lane", reason="there is no such lane")
    return Lane(text) if text else None


def _practice_page(
    operator: AtConsole, practice_id: UUID, errors: FormErrors = NO_ERRORS, form: OpsPosted | None = None
) -> Response:
    found = searches.practice(operator.database, practice_id)
    shown: dict[str, Any] = {
        "typed": {name: form.text(name) if form else "" for name in ("lane", "reason")},
        "found": found,
        "quotas": _quotas(operator.console, found),
        "schedules": control.listing(operator.database, practice_id),
        "lanes": [("", "All of it"), *((lane.value, f"Lane {lane.value}") for lane in Lane)],
    }
    return page(operator, "console/practice.html", errors, **shown)


def _quotas(console: Console, found: PracticeNow) -> Sequence[Quota]:
    tenants = {each.tenant_id for each in found.connections if each.state is not ConnectionState.DISCONNECTED}
    limits = Limits(day=console.settings.xpm_day_limit)
    waiting = sum(lane.waits.get("quota", 0) for lane in found.lanes) if len(tenants) == 1 else 0
    return [_quota(console, tenant, limits, waiting) for tenant in sorted(tenants)]


def _quota(console: Console, tenant_id: str, limits: Limits, waiting: int) -> Quota:
    used = quota_status(console, tenant_id)
    ahead = forecast(waiting, limits, used_today=used.day) if used is not None and waiting else None
    return Quota(tenant_id, limits, used, ahead)
