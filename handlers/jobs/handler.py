"""What a handler is: the seam between the use cases and the runner.

`fetch` talks to the outside, in no transaction. `apply` runs in the one transaction that also marks the jobs done and
inserts their follow-ups. Both work on a set: jobs of one kind and practice, one or many. `on_failure`, where a kind has one,
runs in the transaction that records one job's failure, except for refusals that `apply` returned among other results. A kind
that sends something which cannot be taken back has a `sending` as well, and no follow-ups: the jobs of its set are sent one
after the other, between `fetch` and `apply`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from handlers.errors import Permanent, Rejected
from handlers.jobs.enqueue import FollowUp
from handlers.services import Services
from portal_db.database import Tx
from portal_db.tables import Job
from portal_db.work.jobs import Failure

#: How long a job waits for XPM to be reconnected before it becomes a dead letter.
CONNECTION_PATIENCE_SECONDS = 72 * 3600.0


class ByItself:
    """Stands for the fetched value of a job of a set that must call the outside: it runs by itself."""


BY_ITSELF = ByItself()


@dataclass(frozen=True, slots=True)
class Task:
    """One job of a set in `apply`: with its locked import (`None` for a standalone kind) and what was fetched for it."""

    job: Job
    row: Any
    fetched: Any


#: Runs with no transaction open. Returns for each job what is passed to `apply`, the error that ends its attempt, or
#: `BY_ITSELF`. A follow-up whose kind has the same function uses what was fetched for the job that it follows.
Fetch = Callable[[Services, Sequence[Job]], Sequence[Any]]
#: Writes the effects. Returns for each task its follow-ups in their order, or the refusal that ends it; a refused task has
#: written nothing but what a refusal leaves. An exception undoes the whole set, and its jobs run one by one.
Apply = Callable[[Tx, Sequence[Task]], Sequence["Result"]]
Result = Sequence[FollowUp] | Rejected
#: Undoes or records what a failed attempt left. Raises `LeaseLost` if another attempt has done the work meanwhile: then the
#: failure is not recorded, and the job goes back to the queue.
OnFailure = Callable[[Tx, Job, Failure], None]


@dataclass(frozen=True)
class Sending:
    """How a job sends what cannot be taken back. Until `begin` is committed nothing was sent; from then on until the end of
    `send` is recorded, nobody else can know.

    begin: records the intent by one statement, which locks the job: it is neither cancelled nor taken back meanwhile. False
        when what was fetched does not fit any more, or the lease is lost.
    send: runs with no transaction open. Raises the error that ends the attempt; `Transient` or `Deferred` only if certainly
        nothing was sent.
    record: records that it was sent; doing so again under the same lease changes nothing. False when another lease holds
        the intent.
    withdraw: ends the intent of a job that certainly sent nothing.
    """

    begin: Callable[[Tx, Task], bool]
    send: Callable[[Services, Task], None]
    record: Callable[[Tx, Task], bool]
    withdraw: Callable[[Tx, Task], None]


@dataclass(frozen=True)
class Handler:
    """The functions that do a kind's work."""

    fetch: Fetch
    apply: Apply
    on_failure: OnFailure | None = None
    sending: Sending | None = None


def one_by_one(
    fetch: Callable[[Services, Job], Any],
    apply: Callable[[Tx, Job, Any, Any], Sequence[FollowUp]],
    on_failure: OnFailure | None = None,
) -> Handler:
    """A handler whose functions do one job."""

    def fetch_each(services: Services, jobs: Sequence[Job]) -> list[Any]:
        return [fetch(services, job) for job in jobs]

    def apply_each(tx: Tx, tasks: Sequence[Task]) -> list[Result]:
        return [apply(tx, task.job, task.row, task.fetched) for task in tasks]

    return Handler(fetch_each, apply_each, on_failure)


def job_arg(job: Job, name: str) -> UUID:
    """An id from a job's args."""
    return UUID(job.args[name])


def of_import(job: Job) -> UUID:
    """The id of the import that a job belongs to.

    Raises:
        Permanent: it belongs to none, although its kind needs one.
    """
    if job.import_id is None:
        raise Permanent("no_import", "A job of this kind needs an import.", "Contact the developers.")
    return job.import_id
