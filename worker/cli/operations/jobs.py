"""The commands `jobs list` and `jobs explain`: finding a job, and explaining its state."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from handlers.jobs.explain import explain
from portal_db.states import JobState, Lane
from portal_db.work import job_search, jobs
from portal_db.work.job_search import Filter
from worker.cli import show_jobs
from worker.cli.database import opened
from worker.cli.exits import Problem
from worker.cli.operations.job_filters import (
    CodeFilter,
    KindFilter,
    NewerFilter,
    OlderFilter,
    PracticeFilter,
    TextFilter,
)
from worker.cli.operator import After, Limit, age, cursor, more
from worker.cli.output import AsJson, console, moment, say, say_json

STATES = ", ".join(state.value for state in JobState)

jobs_app = typer.Typer(no_args_is_help=True, help="Jobs that carry out imports.")


@jobs_app.command("list")
def list_jobs(
    state: Annotated[
        list[JobState] | None, typer.Option(metavar="STATE", help=f"Only in this state: {STATES}. May be repeated.")
    ] = None,
    practice: PracticeFilter = None,
    import_id: Annotated[UUID | None, typer.Option("--import", metavar="ID", help="Only this import's.")] = None,
    kind: KindFilter = None,
    lane: Annotated[Lane | None, typer.Option(metavar="LANE", help=f"One of {', '.join(Lane)}.")] = None,
    code: CodeFilter = None,
    text: TextFilter = None,
    older_than: OlderFilter = None,
    newer_than: NewerFilter = None,
    limit: Limit = 50,
    after: After = None,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first."""
    which = Filter(
        states=tuple(state or ()),
        practice_id=practice,
        import_id=import_id,
        kind=kind,
        lane=lane,
        code=code,
        text=text,
        older_than=age(older_than),
        newer_than=age(newer_than),
    )
    show(which, limit=limit, after=after, as_json=as_json, nothing="No jobs.", at="Ended or created")


@jobs_app.command("explain")
def explain_job(
    job_id: Annotated[UUID, typer.Argument(metavar="ID", help="The job.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Explain a job: what it waits for, until when, and what happens next."""
    with opened() as record, record.database.read() as tx:
        job = jobs.get(tx, job_id)
        if job is None:
            raise Problem(f"There is no job {job_id}: see `portal-sync jobs list`.")
        told = explain(tx, job, ring_limit=record.settings.ring_limit)
    if as_json:
        say_json(show_jobs.explained(told))
        return
    about = {
        "Job": f"{job.id}, {job.kind}",
        "Import": str(job.import_id) if job.import_id else None,
        "State": job.state.value,
        "Made": moment(job.created_at),
    }
    console().print(show_jobs.facts({**about, **show_jobs.explanation_facts(told)}))


def show(which: Filter, *, limit: int, after: str | None, as_json: bool, nothing: str, at: str) -> None:
    """Print one page.

    Args:
        nothing: what is said when there is none.
        at: heads the column of times.
    """
    with opened() as record, record.database.read() as tx:
        found = job_search.listing(tx, which, limit=limit, after=cursor(after))
    if as_json:
        say_json(show_jobs.results(found, which))
        return
    if not found:
        say(nothing)
        return
    console().print(show_jobs.listed(found, at))
    more(len(found), limit, job_search.cursor_of(which, found[-1]))
