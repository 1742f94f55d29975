"""What came of jobs: one line of the log for each, once it is committed."""

from __future__ import annotations

import time
from collections.abc import Sequence

import structlog

from config.logging import log_each
from handlers.errors import JobError
from portal_db.tables import Job

log = structlog.stdlib.get_logger(__name__)


def succeeded(jobs: Sequence[Job], *, began: float) -> None:
    """Jobs of one kind succeeded.

    Args:
        began: when their set did, on the process's monotonic clock.
    """
    if jobs:
        log_each(log, "job.succeeded", [_names(job) for job in jobs], **_same(jobs[0], began))


def failed(job: Job, error: JobError, *, began: float) -> None:
    """A job failed; its error class says what happens next."""
    names = _names(job)
    log.info("job.failed", code=error.code, error_class=error.error_class.value, **names, **_same(job, began))


def _names(job: Job) -> dict[str, str]:
    names = {"job": str(job.id), "attempt": str(job.attempts + 1)}
    return names if job.import_id is None else names | {"import_id": str(job.import_id)}


def _same(job: Job, began: float) -> dict[str, object]:
    return {"kind": str(job.kind), "lane": job.lane.value, "seconds": round(time.monotonic() - began, 3)}
