"""procrastinate as its documentation says: jobs in PostgreSQL, retries, priorities, stalled jobs are retried.

It has no canvas: each step defers the next. Without a lock for each import: a step that is deferred under its
predecessor's lock waits for the next poll, up to five seconds. Sources: its how-to guides on retries, priorities and
stalled jobs (that recipe runs every ten minutes; here every ten seconds).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import procrastinate
from sqlalchemy import make_url

from bench.rivals.steps import Steps
from config.settings import Settings

URGENT = 10

_address = make_url(Settings().database_url).set(drivername="postgresql")
_conninfo = _address.render_as_string(hide_password=False)
app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=_conninfo))
_RETRY = procrastinate.RetryStrategy(max_attempts=20, exponential_wait=2)


@app.task(retry=_RETRY)
def validate(import_id: str, priority: int) -> None:
    if Steps.of_process().validate(import_id):
        _then(create, import_id, priority)


@app.task(retry=_RETRY)
def create(import_id: str, priority: int) -> None:
    if Steps.of_process().create(import_id):
        _then(details, import_id, priority)


@app.task(retry=_RETRY)
def details(import_id: str, priority: int) -> None:
    Steps.of_process().details(import_id)
    _then(relationships, import_id, priority)


@app.task(retry=_RETRY)
def relationships(import_id: str, priority: int) -> None:
    Steps.of_process().relationships(import_id)
    _then(welcome_email, import_id, priority)


@app.task(retry=_RETRY)
def welcome_email(import_id: str, priority: int) -> None:
    Steps.of_process().welcome_email(import_id)
    _then(close, import_id, priority)


@app.task(retry=_RETRY)
def close(import_id: str, priority: int) -> None:  # noqa: ARG001  every step takes the priority of its import
    Steps.of_process().close(import_id)


@app.periodic(cron="* * * * * */10")
@app.task(queueing_lock="retry_stalled_jobs", pass_context=True)
async def retry_stalled_jobs(_context: procrastinate.JobContext, timestamp: int) -> None:  # noqa: ARG001  its recipe
    for job in await app.job_manager.get_stalled_jobs():
        await app.job_manager.retry_job(job)


def _then(task: Any, import_id: str, priority: int) -> None:
    task.configure(priority=priority).defer(import_id=import_id, priority=priority)


@cache
def _opened() -> procrastinate.App:
    return app.open()


def enqueue(import_ids: Sequence[str], *, interactive: bool) -> None:
    """Start imports."""
    _opened()
    priority = URGENT if interactive else 0
    arguments: list[dict[str, Any]] = [{"import_id": import_id, "priority": priority} for import_id in import_ids]
    validate.configure(priority=priority).batch_defer(*arguments)
