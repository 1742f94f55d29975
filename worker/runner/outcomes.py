"""What came of jobs, once it is committed: one line of the log for each, and the counts."""

from __future__ import annotations

import time
from collections.abc import Sequence

import structlog

from config import metrics
from config.logging import log_each
from config.tracing import trace_id
from handlers.errors import JobError
from portal_db.states import AttemptOutcome
from portal_db.tables import Job

log = structlog.stdlib.get_logger(__name__)


def succeeded(jobs: Sequence[Job], *, began: float) -> None:
    """Jobs of one kind succeeded.

    Args:
        began: when their set did, on the process's monotonic clock.
    """
    if jobs:
        _count(jobs[0].kind, AttemptOutcome.SUCCEEDED, len(jobs), began)
        log_each(log, "job.succeeded", [_names(job) for job in jobs], **_same(jobs[0], began))


def failed(job: Job, error: JobError, *, began: float) -> None:
    """A job failed; its error class says what happens next."""
    _count(job.kind, AttemptOutcome(error.error_class.value), 1, began)
    names = _names(job)
    log.info("job.failed", code=error.code, error_class=error.error_class.value, **names, **_same(job, began))


def claimed(jobs: Sequence[Job]) -> None:
    """Jobs were claimed. Those that were tried before have waited for something else."""
    for job in jobs:
        if job.started_at is not None and not (job.attempts or job.deferrals or job.lost_leases or job.error_code):
            metrics.JOB_WAIT.labels(job.lane.value).observe((job.started_at - job.created_at).total_seconds())


def _count(kind: str, outcome: AttemptOutcome, jobs: int, began: float) -> None:
    metrics.JOB_ATTEMPTS.labels(kind, outcome.value).inc(jobs)
    duration, seconds = metrics.JOB_DURATION.labels(kind), time.monotonic() - began
    for _ in range(jobs):
        duration.observe(seconds)


def _names(job: Job) -> dict[str, str]:
    names = {"job": str(job.id), "attempt": str(job.attempts + 1), "trace": trace_id(job.trace_context)}
    return names if job.import_id is None else names | {"import_id": str(job.import_id)}


def _same(job: Job, began: float) -> dict[str, object]:
    return {"kind": str(job.kind), "lane": job.lane.value, "seconds": round(time.monotonic() - began, 3)}
