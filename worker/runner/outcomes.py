"""What came of jobs, once it is committed: one line of the log and one span for each, and the counts."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

import structlog

from config import metrics, spans, tracing
from config.logging import log_each
from config.telling import is_told
from handlers.errors import JobError
from portal_db.states import AttemptOutcome
from portal_db.tables import Job
from portal_db.work.jobs import lease_of

log = structlog.stdlib.get_logger(__name__)


def succeeded(jobs: Sequence[Job], *, began: float) -> None:
    """Jobs of one lane succeeded.

    Args:
        began: when their set did, on the process's monotonic clock.
    """
    if jobs and is_told():
        for kind, number in Counter(job.kind for job in jobs).items():
            _count(kind, AttemptOutcome.SUCCEEDED, number, began)
        log_each(log, "job.succeeded", [_names(job) for job in jobs], **_same(jobs[0], began))
        if spans.are_reported():
            for job in jobs:
                _report(job, AttemptOutcome.SUCCEEDED, began, size=len(jobs))


def failed(job: Job, error: JobError, *, began: float) -> None:
    """A job failed; its error class says what happens next."""
    if not is_told():
        return
    _count(job.kind, AttemptOutcome(error.error_class.value), 1, began)
    names = _names(job)
    log.info("job.failed", code=error.code, error_class=error.error_class.value, **names, **_same(job, began))
    if spans.are_reported():
        _report(job, AttemptOutcome(error.error_class.value), began, error=error.code)


def claimed(jobs: Sequence[Job]) -> None:
    """Jobs were claimed. Those that were tried before have waited for something else."""
    for job in jobs if is_told() else ():
        if job.started_at is not None and not (job.attempts or job.deferrals or job.lost_leases or job.error_code):
            metrics.JOB_WAIT.labels(job.lane.value).observe((job.started_at - job.created_at).total_seconds())


def committed(jobs: Sequence[Job], *, began: float) -> None:
    """The transaction that all these jobs shared."""
    if spans.are_reported():
        for job in jobs:
            own = span_of(job)
            seconds, attributes = time.monotonic() - began, {"db.operation.name": "COMMIT"}
            spans.report("commit", "client", tracing.below(own), own, seconds=seconds, attributes=attributes)


def span_of(job: Job) -> str:
    """The `traceparent` of the present attempt at a job that is ours."""
    return tracing.attempt(job.trace_context, lease_of(job).token)


def _report(job: Job, outcome: AttemptOutcome, began: float, *, error: str | None = None, size: int = 1) -> None:
    """Report an attempt, by OpenTelemetry's conventions for messaging: its queue is the lane."""
    attributes: dict[str, str | int] = {
        "messaging.system": "portal_sync",
        "messaging.operation.name": job.kind,
        "messaging.operation.type": "process",
        "messaging.destination.name": job.lane.value,
        "messaging.message.id": str(job.id),
        "portal_sync.attempt": job.attempts + 1,
        "portal_sync.outcome": outcome.value,
    }
    if job.import_id is not None:
        attributes["portal_sync.import_id"] = str(job.import_id)
    if size > 1:
        attributes["messaging.batch.message_count"] = size
    spans.report(
        f"{job.kind} {job.lane.value}",
        "consumer",
        span_of(job),
        job.trace_context,
        seconds=time.monotonic() - began,
        attributes=attributes,
        error=error,
    )


def _count(kind: str, outcome: AttemptOutcome, jobs: int, began: float) -> None:
    metrics.JOB_ATTEMPTS.labels(kind, outcome.value).inc(jobs)
    duration, seconds = metrics.JOB_DURATION.labels(kind), time.monotonic() - began
    for _ in range(jobs):
        duration.observe(seconds)


def _names(job: Job) -> dict[str, str]:
    trace = tracing.trace_id(job.trace_context)
    names = {"kind": str(job.kind), "job": str(job.id), "attempt": str(job.attempts + 1), "trace": trace}
    return names if job.import_id is None else names | {"import_id": str(job.import_id)}


def _same(job: Job, began: float) -> dict[str, object]:
    return {"lane": job.lane.value, "seconds": round(time.monotonic() - began, 3)}
