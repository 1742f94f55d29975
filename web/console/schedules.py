"""Schedules: when recurring work is due, how its last runs ended, and running, pausing or resuming it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from handlers.access.operator_roles import OpsAct
from handlers.errors import RequestRefused
from handlers.schedule import control
from web.console.operator import MOST_IDS, AtConsole, OpsPosted, TheOperator, posted
from web.console.view import page, redirect
from web.console.words import errors_of
from web.pages.frame.forms import NO_ERRORS, FormErrors

router = APIRouter()

Scheduling = Annotated[OpsPosted, Depends(posted(OpsAct.SCHEDULE))]


@router.get("/schedules")
def show_schedules(operator: TheOperator) -> Response:
    return _schedules_page(operator)


@router.post("/schedules/run")
def run(form: Scheduling) -> Response:
    return _done(form, lambda: control.run_now(form.operator.database, form.act(), form.text("name")), "sync-begun")


@router.post("/schedules/pause")
def pause(form: Scheduling) -> Response:
    """Pause one schedule, or all that are ticked."""
    return _done(form, lambda: control.pause(form.operator.database, form.act(), *_names(form)), "paused")


@router.post("/schedules/resume")
def resume(form: Scheduling) -> Response:
    return _done(form, lambda: control.resume(form.operator.database, form.act(), *_names(form)), "resumed")


def _names(form: OpsPosted) -> list[str]:
    names = {value for value in form.form.getlist("name") if isinstance(value, str)}
    return sorted(names)[:MOST_IDS]


def _done(form: OpsPosted, do: Callable[[], object], message: str) -> Response:
    try:
        do()
    except RequestRefused as refused:
        return _schedules_page(form.operator, errors_of(refused))
    return redirect("/schedules", message=message)


def _schedules_page(operator: AtConsole, errors: FormErrors = NO_ERRORS) -> Response:
    return page(operator, "console/schedules.html", errors, found=control.listing(operator.database))
