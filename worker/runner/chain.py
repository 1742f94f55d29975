"""Runs the jobs of a set that send what cannot be taken back, one after the other (b.6).

One transaction both records that one was sent and begins the next. So whenever a worker dies, at most one job of each of its
threads is of unknown outcome: what was sent is recorded, and what has not begun is as it was. A few jobs that were sent end
together, in a transaction that also records the last of them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import SQLAlchemyError
from tenacity import Retrying

from config import tracing
from handlers.errors import Deferred, JobError, Transient
from handlers.jobs.handler import Handler, Sending, Task
from handlers.services import Services
from portal_db.database import Tx
from portal_db.tables import Job
from portal_db.work import jobs
from portal_db.work.jobs import LeaseLost, lease_of
from worker.runner import failures, outcomes
from worker.runner.failures import as_job_error

log = structlog.stdlib.get_logger(__name__)

#: No job of a set is begun after this part of its deadline: a server that answers each step just in time takes the rest.
BEGIN_WITHIN = 0.2
#: The most jobs that end together: what waits for them, as a batch's progress, hears of them soon.
END_TOGETHER = 5
#: How long a worker that holds the server's answer tries to record it: the failover of a database is over by then, and the
#: time in which a worker must stop is not.
RECORD_SECONDS = 20.0


@dataclass(frozen=True)
class _Sent:
    """A job that was begun: sent, or ended by an error of its `send`."""

    task: Task
    error: JobError | None

    @property
    def was_put_off(self) -> bool:
        """Whether certainly nothing was sent, and it is tried again."""
        return isinstance(self.error, (Deferred, Transient))


class Chain:
    """Sends a set in the calling thread.

    Args:
        apply: writes the effects of sent jobs and ends them, in a transaction; returns those that were still ours.
        fail: records the failure of one job.
        began: when the set did, on the process's monotonic clock.
        give_back: puts jobs back into the queue, uncounted.
        let_go: told of jobs that have ended, while others of the set have not.
        tries: how often a transaction is tried while the database is away, and for how long at least.
        stopping: once set, nothing more is begun.
    """

    def __init__(
        self,
        services: Services,
        *,
        apply: Callable[[Tx, Handler, Sequence[Task]], Sequence[Job]],
        fail: Callable[[Handler, Task, JobError], None],
        began: float,
        give_back: Callable[[Sequence[Job]], None],
        let_go: Callable[[Sequence[Job]], None],
        tries: Callable[..., Retrying],
        stopping: threading.Event,
    ) -> None:
        self._services = services
        self._database = services.database
        self._apply = apply
        self._fail = fail
        self._began = began
        self._give_back = give_back
        self._let_go = let_go
        self._tries = tries
        self._stopping = stopping

    def run(self, handler: Handler, sending: Sending, tasks: Sequence[Task]) -> None:
        """Send a set that is ours. What does not begin in time, or before a stop, goes back to the queue, uncounted."""
        until = time.monotonic() + BEGIN_WITHIN * min(task.job.deadline_seconds for task in tasks)
        left = list(tasks)
        while left and self._may_begin(until):
            begun = self._run_some(handler, sending, left[:END_TOGETHER], until)
            self._let_go([task.job for task in left[:begun]])
            del left[:begun]
        self._give_back([task.job for task in left])

    def _may_begin(self, until: float) -> bool:
        return time.monotonic() < until and not self._stopping.is_set()

    def _run_some(self, handler: Handler, sending: Sending, tasks: Sequence[Task], until: float) -> int:
        """Send jobs that end together. Returns how many were begun, or could not be."""
        sent: _Sent | None = None
        recorded: list[Task] = []
        left = list(tasks)
        while left and self._may_begin(until):
            task = left.pop(0)
            sent = self._send(sending, task) if self._turn(handler, sending, sent, task, recorded) else None
        if sent is not None and sent.error is not None:
            self._turn(handler, sending, sent, None, recorded)
        elif sent is not None:
            recorded.append(sent.task)
        self._end(handler, sending, recorded)
        return len(tasks) - len(left)

    def _send(self, sending: Sending, task: Task) -> _Sent:
        try:
            with tracing.within(outcomes.span_of(task.job)):
                sending.send(self._services, task)
        except Exception as error:
            return _Sent(task, as_job_error(error))
        return _Sent(task, None)

    def _turn(
        self, handler: Handler, sending: Sending, sent: _Sent | None, task: Task | None, recorded: list[Task]
    ) -> bool:
        """Record what was sent and begin the next, by one transaction; if that fails, each by its own, so that neither
        answers for the other.

        Args:
            recorded: gets the job that was sent, if it is recorded so.

        Returns:
            Whether the next has begun.
        """
        try:
            begun = self._commit(handler, sending, sent, task)
        except Exception as error:
            if sent is not None and task is not None:
                self._turn(handler, sending, sent, None, recorded)
                return self._turn(handler, sending, None, task, recorded)
            if sent is not None:
                self._not_recorded(handler, sending, sent, error)
            elif task is not None:
                self._not_begun(handler, sending, task, error)
            return False
        if sent is not None and sent.error is None:
            recorded.append(sent.task)
        return begun

    def _commit(self, handler: Handler, sending: Sending, sent: _Sent | None, task: Task | None) -> bool:
        """One transaction, or only the statement that begins one email. If a COMMIT gets no answer, the next try finds that
        the one is recorded, and that the other has begun. What was sent is recorded with patience, but nothing waits with it
        that was not begun."""
        begun = is_ours = False
        began = time.monotonic()
        is_only_sent = task is None and sent is not None and sent.error is None
        for attempt in self._tries(for_seconds=RECORD_SECONDS if is_only_sent else 0.0):
            with attempt, self._database.single() if sent is None else self._database.write() as tx:
                if sent is not None:
                    self._record(tx, handler, sending, sent)
                begun = task is not None and sending.begin(tx, task)
                if task is not None and not begun:
                    is_ours = bool(jobs.give_back(tx, [lease_of(task.job)]))
        concerned = (sent.task if sent is not None else None, task if begun else None)
        outcomes.committed([each.job for each in concerned if each is not None], began=began)
        if sent is not None and sent.error is not None:
            outcomes.failed(sent.task.job, sent.error, began=self._began)
        if task is not None and not begun and not is_ours:
            log.info("job.lease_lost", job=str(task.job.id))
        return begun

    def _record(self, tx: Tx, handler: Handler, sending: Sending, sent: _Sent) -> None:
        job = sent.task.job
        if sent.error is None:
            if not sending.record(tx, sent.task):
                raise LeaseLost(f"job {job.id} is no longer ours")
            return
        failures.record_in(tx, self._services, job, lease_of(job), handler.on_failure, sent.error)
        if sent.was_put_off:
            sending.withdraw(tx, sent.task)

    def _end(self, handler: Handler, sending: Sending, tasks: Sequence[Task]) -> None:
        """End the jobs that were sent by one transaction; if that fails, each by its own. One that is no longer ours was
        sent nevertheless, and is recorded so: its next attempt finds that."""
        if not tasks:
            return
        ended: Sequence[Job] = ()
        began = time.monotonic()
        try:
            for attempt in self._tries(for_seconds=RECORD_SECONDS):
                with attempt, self._database.write() as tx:
                    ended = self._apply(tx, handler, tasks)
        except LeaseLost:
            ended = ()
        except Exception as error:
            if len(tasks) == 1:
                self._fail(handler, tasks[0], as_job_error(error))
                return
            log.warning("jobs.run_apart", count=len(tasks), exc_info=error)
            for task in tasks:
                self._end(handler, sending, [task])
            return
        outcomes.committed(ended, began=began)
        outcomes.succeeded(ended, began=self._began)
        self._record_lost(sending, [task for task in tasks if task.job not in ended])

    def _record_lost(self, sending: Sending, tasks: Sequence[Task]) -> None:
        for task in tasks:
            log.info("job.lease_lost", job=str(task.job.id))
            # If even that fails, its next attempt finds the intent: unknown.
            with suppress(SQLAlchemyError), self._database.write() as tx:
                sending.record(tx, task)

    def _not_recorded(self, handler: Handler, sending: Sending, sent: _Sent, error: Exception) -> None:
        if sent.was_put_off:
            self._withdraw(sending, sent.task)
        if isinstance(error, LeaseLost):
            log.info("job.lease_lost", job=str(sent.task.job.id))
        else:
            self._fail(handler, sent.task, as_job_error(error))

    def _not_begun(self, handler: Handler, sending: Sending, task: Task, error: Exception) -> None:
        if isinstance(error, LeaseLost):
            log.info("job.lease_lost", job=str(task.job.id))
            return
        self._withdraw(sending, task)
        self._fail(handler, task, as_job_error(error))

    def _withdraw(self, sending: Sending, task: Task) -> None:
        with suppress(SQLAlchemyError), self._database.write() as tx:  # or its next attempt finds the intent: unknown
            sending.withdraw(tx, task)
