"""Handlers as a test sees them: work on a set, done or replaced for one job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from handlers.errors import JobError, Rejected
from handlers.jobs.enqueue import FollowUp
from handlers.jobs.handler import Apply, Handler, Task, one_by_one
from handlers.services import Services
from portal_db.database import Tx
from portal_db.tables import Job


def fetch_one(handler: Handler, services: Services, job: Job) -> Any:
    """What a handler fetches for one job. Raises the error that it returns."""
    [found] = handler.fetch(services, [job])
    if isinstance(found, JobError):
        raise found
    return found


def apply_one(apply: Apply, tx: Tx, job: Job, row: Any, fetched: Any) -> Sequence[FollowUp]:
    """The follow-ups of one job. Raises the refusal that the function returns."""
    [result] = apply(tx, [Task(job, row, fetched)])
    if isinstance(result, Rejected):
        raise result
    return result


def with_one(
    handler: Handler,
    *,
    fetch: Callable[[Services, Job], Any] | None = None,
    apply: Callable[[Tx, Job, Any, Any], Sequence[FollowUp]] | None = None,
    **more: Any,
) -> Handler:
    """A handler with functions that do one job in place of its own."""
    return replace(
        handler,
        fetch=handler.fetch if fetch is None else one_by_one(fetch, _never).fetch,
        apply=handler.apply if apply is None else one_by_one(_never, apply).apply,
        **more,
    )


def _never(*_: object) -> Any:
    raise AssertionError("the handler's own function is called instead")
