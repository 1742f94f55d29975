"""The commands `jobs list` and `jobs explain`: finding jobs, and why one is where it is."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from handlers.operations import jobs
from portal_db.states import JobState, Lane
from worker.cli.database import open_record
from worker.cli.exits import explain_refusals
from worker.cli.operations.job_filters import JobOptions, with_options
from worker.cli.operator import After, Limit, cursor
from worker.cli.output import AsJson, console, details_table, say_json, utc
from worker.cli.show_jobs import explanation_details, explanation_json, say_jobs

STATES = ", ".join(state.value for state in JobState)

jobs_app = typer.Typer(no_args_is_help=True, help="Jobs that carry out imports.")


@jobs_app.command("list")
@with_options
def list_jobs(
    *,
    state: Annotated[
        list[JobState] | None, typer.Option(metavar="STATE", help=f"Only in this state: {STATES}. Can be repeated.")
    ] = None,
    import_id: Annotated[UUID | None, typer.Option("--import", metavar="ID", help="Only this import's.")] = None,
    lane: Annotated[Lane | None, typer.Option(metavar="LANE", help=f"One of {', '.join(Lane)}.")] = None,
    options: JobOptions,
    limit: Limit = 50,
    after: After = None,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first."""
    which = options.as_filter(states=tuple(state or ()), import_id=import_id, lane=lane)
    with open_record() as record:
        found = jobs.listing(record.database, which, limit=limit, after=cursor(after))
    say_jobs(found, as_json, limit=limit, empty="No jobs.", time_heading="Ended or created")


@jobs_app.command("explain")
def explain_job(
    job_id: Annotated[UUID, typer.Argument(metavar="ID", help="The job's id.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Explain a job: what it waits for, until when, and what happens next."""
    with open_record() as record, explain_refusals({"job_id": f"Job {job_id}"}):
        found = jobs.details(record.database, job_id, ring_limit=record.settings.ring_limit).explanation
    if as_json:
        say_json(explanation_json(found))
        return
    job = found.job
    about = {
        "Job": f"{job.id}, {job.kind}",
        "Import": str(job.import_id) if job.import_id else None,
        "State": job.state.value,
        "Created": utc(job.created_at),
    }
    console().print(details_table({**about, **explanation_details(found)}))
