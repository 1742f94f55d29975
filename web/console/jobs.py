"""Jobs: searched by qualifiers, and one with what it waits for, its attempts, and what operators can do about it."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response

from handlers.errors import RequestRefused
from handlers.operations import job_query, searches
from handlers.operations import jobs as job_details
from portal_db.states import OPEN_JOB_STATES
from portal_db.work.job_search import Filter
from web.console.operator import AtConsole, TheOperator, Words
from web.console.view import page
from web.console.words import errors_of
from web.pages.frame.forms import NO_ERRORS, FormErrors

router = APIRouter()

OPEN = Filter(states=tuple(sorted(OPEN_JOB_STATES)))


@router.get("/jobs")
def show_jobs(operator: TheOperator, q: Words = "", ended: Words = "", after: Words | None = None) -> Response:
    """Open jobs; with `ended` the latest ones in any state."""
    base, errors = (Filter() if ended else OPEN), NO_ERRORS
    try:
        base = job_query.parse(q, base)
    except RequestRefused as refused:
        errors = errors_of(refused, ("q",))
    found = searches.jobs(operator.database, base, after=after)
    return page(operator, "console/jobs.html", errors, q=q, ended=ended, found=found)


@router.get("/jobs/{job_id}")
def show_job(operator: TheOperator, job_id: UUID) -> Response:
    return job_page(operator, job_id)


def job_page(operator: AtConsole, job_id: UUID, errors: FormErrors = NO_ERRORS, *, reason: str = "") -> Response:
    """A job with everything that is known of it."""
    settings = operator.services.settings
    found = job_details.details(operator.database, job_id, ring_limit=settings.ring_limit)
    return page(operator, "console/job.html", errors, found=found, job=found.explanation.job, reason=reason)
