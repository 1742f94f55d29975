"""Dead letters: grouped by cause, searched by qualifiers, and one of them requeued or dismissed."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from handlers.access.operator_roles import OpsAct
from handlers.errors import RequestRefused
from handlers.operations import bulk, dead_letters, job_query, searches
from web.console import jobs
from web.console.operator import OpsPosted, TheOperator, Words, posted
from web.console.view import back, page
from web.console.words import errors_of
from web.pages.frame.forms import NO_ERRORS

router = APIRouter()


@router.get("/dead")
def show_dead(operator: TheOperator, q: Words = "", after: Words | None = None) -> Response:
    """The groups that match, the dead letters, and the latest acts on many of them."""
    errors, which = NO_ERRORS, bulk.DEAD
    try:
        which = job_query.parse(q, bulk.DEAD)
    except RequestRefused as refused:
        errors = errors_of(refused, ("q",))
    found = searches.dead_letters(operator.database, which, after=after)
    groups = operator.seen(operator.console.causes(which))
    return page(operator, "console/dead.html", errors, q=q, groups=groups, found=found.page, acts=found.acts)


@router.post("/jobs/{job_id}/requeue")
def requeue(form: Annotated[OpsPosted, Depends(posted(OpsAct.REQUEUE))], job_id: UUID) -> Response:
    """Run a dead letter again."""
    try:
        dead_letters.requeue(form.operator.database, form.act(), job_id)
    except RequestRefused as refused:
        return jobs.job_page(form.operator, job_id, errors_of(refused, ("reason",)), reason=form.text("reason"))
    return back(form, f"/jobs/{job_id}", message="requeued")


@router.post("/jobs/{job_id}/dismiss")
def dismiss(form: Annotated[OpsPosted, Depends(posted(OpsAct.DISMISS))], job_id: UUID) -> Response:
    """Give a dead letter up; this needs a code of the second factor that was given recently."""
    try:
        act = form.act()
        form.confirm()
        dead_letters.dismiss(form.operator.database, act, job_id)
    except RequestRefused as refused:
        return jobs.job_page(form.operator, job_id, errors_of(refused, ("reason", "code")), reason=form.text("reason"))
    return back(form, f"/jobs/{job_id}", message="dismissed")
