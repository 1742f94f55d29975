"""Runs sets of jobs: claim, fetch outside any transaction, apply in one, then run the follow-ups (design §2).

Every job keeps its own lease, and every write names its token. If a lease is lost, another process owns the job, and it is
left out; anything unforeseen rolls the set back, and its jobs run one by one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, stop_after_delay, wait_random_exponential
from tenacity.stop import stop_all

from config import tracing
from handlers.errors import JobError, Rejected
from handlers.imports.settle import settle_all
from handlers.jobs.enqueue import FollowUp, follow_up_job
from handlers.jobs.handler import BY_ITSELF, Handler, Task
from handlers.jobs.kinds import KINDS, Part, part_of
from handlers.services import Bell, Services
from portal_db.database import DATABASE_AWAY, Tx
from portal_db.states import OPEN_JOB_STATES, JobState, Lane
from portal_db.tables import Import, Job
from portal_db.work import imports, jobs, ringing
from portal_db.work.jobs import LOST_LEASES_BEFORE_ISOLATION, Lease, LeaseLost, lease_of
from worker.runner import failures, outcomes
from worker.runner.chain import Chain
from worker.runner.failures import as_job_error
from worker.runner.leases import Leases

log = structlog.stdlib.get_logger(__name__)

#: Tries of one short database transaction: enough for a deadlock or a broken connection, and short enough for the lease.
DATABASE_TRIES = 4


@dataclass
class _Applied:
    """What an apply leads to: what came of the jobs, follow-ups to run next, already claimed, and others to ring.
    `fetched`: what need not be fetched for them, by job. `to_relay`: the relay has others to ring."""

    done: Sequence[Job] = ()
    refused: Sequence[tuple[Job, Rejected]] = ()
    next_jobs: Sequence[Job] = ()
    next_leases: Sequence[Lease] = ()
    fetched: Mapping[UUID, Any] = field(default_factory=dict)
    to_ring: Sequence[tuple[Lane, UUID]] = ()
    to_relay: bool = False


@dataclass(frozen=True, slots=True)
class _Set:
    """A set that is ours and waits for its turn; `begin_by`: until when, on the process's monotonic clock."""

    jobs: Sequence[Job]
    fetched: Mapping[UUID, Any]
    begin_by: float


class _MustRunApart(Exception):
    """An import could not be created by the transaction that validated it."""


class Runner:
    """Runs claimed jobs in the calling thread, in sets: jobs of one kind and practice, one or many.

    Args:
        handlers: the kinds this process knows, with their functions (`handlers.registry`).
        run_isolated: runs a job that may kill its process in a child; `None` in that child itself.
        stopping: once set, nothing more is claimed.
    """

    def __init__(
        self,
        services: Services,
        bell: Bell,
        leases: Leases,
        handlers: Mapping[str, Handler],
        *,
        run_isolated: Callable[[UUID], None] | None,
        stopping: threading.Event,
    ) -> None:
        self._services = services
        self._database = services.database
        self._bell = bell
        self._leases = leases
        self._handlers = handlers
        self._run_isolated = run_isolated
        self._stopping = stopping

    def run(self, *job_ids: UUID) -> None:
        """Claim jobs and run them, then their follow-ups of the same lane in turn.

        A job that cannot be claimed is skipped: its message is a duplicate, which is normal.
        """
        if self._stopping.is_set():
            self._leave_to_others(job_ids)
            return
        leases = [Lease(job_id, self._database.sources.new_id(), self._leases.owner) for job_id in job_ids]
        suspects, claimed = self._tries()(self._claim, leases)
        outcomes.claimed(claimed)
        self._run_on(claimed)
        for job_id in suspects:
            if self._run_isolated is not None:
                self._run_isolated(job_id)

    def _leave_to_others(self, job_ids: Sequence[UUID]) -> None:
        """Have jobs rung again now: their message is acknowledged, and otherwise they would wait until it counts as lost."""
        with suppress(SQLAlchemyError), self._database.write() as tx:
            ringing.ring_elsewhere(tx, job_ids)

    def _claim(self, leases: Sequence[Lease]) -> tuple[list[UUID], list[Job]]:
        """Claim jobs, or find that an earlier try, whose COMMIT got no answer, claimed them.

        Returns:
            Those that must run isolated (and were not claimed), and the jobs that are ours now.
        """
        with self._database.write() as tx:
            claimed, rows = imports.claim_all(tx, leases, **self._terms())
            running = {job.import_id for job in claimed if job.import_id and part_of(job.kind) is Part.SPINE}
            self._settle(tx, rows, running)
            if len(claimed) == len(leases):
                return [], claimed
            missing = jobs.of_ids(tx, {lease.job_id for lease in leases} - {job.id for job in claimed})
            if unknown := [job.id for job in missing if job.kind not in self._handlers]:
                ringing.ring_elsewhere(tx, unknown)
            tokens = {lease.token for lease in leases}
            suspects = [job.id for job in missing if self._is_suspect(job)]
            return suspects, [*claimed, *(job for job in missing if _is_ours(job, tokens))]

    def _is_suspect(self, job: Job) -> bool:
        if self._run_isolated is None or job.state is JobState.RUNNING:  # no child for a duplicate message
            return False
        return job.state in OPEN_JOB_STATES and job.lost_leases >= LOST_LEASES_BEFORE_ISOLATION

    def _settle(
        self, tx: Tx, rows: Sequence[Import], running: Collection[UUID], succeeded: Collection[UUID] = ()
    ) -> None:
        """Settle imports of one practice, or of several: a message names one, but anybody may write a message."""
        for _, of_practice in groupby(sorted(rows, key=_practice_of), key=_practice_of):
            settle_all(tx, list(of_practice), running=running, succeeded=succeeded)

    def _terms(self) -> dict[str, Any]:
        """The terms on which this process claims."""
        most = {} if self._run_isolated is None else {"fewer_lost_leases_than": LOST_LEASES_BEFORE_ISOLATION}
        return {"kinds": self._handlers.keys(), "lease_seconds": self._leases.lease_seconds, **most}

    def _run_on(self, claimed: Sequence[Job]) -> None:
        """Run jobs that are ours, set by set, each with the sets of its follow-ups before the next. Sets that do not begin
        before a stop, or within half of their deadline, go back to the queue, with nothing counted against them."""
        sets = _waiting(claimed, {})
        while sets:
            with self._leases.held(*(lease_of(job) for each in sets for job in each.jobs)):
                if self._run_together(sets):
                    return
                this, *others = sets
                following = self._run_set(this.jobs, this.fetched)
                sets = self._in_time(_waiting(following.next_jobs, following.fetched) + others)

    def _run_together(self, sets: Sequence[_Set]) -> bool:
        """Run what follows the creation of a single import, its details and relationships, by one transaction: somebody
        waits for both. Returns whether it was committed. If not, each runs by itself, so that only a culprit fails."""
        # Jobs of that part have no follow-ups.
        if len(sets) < 2 or not all(each.fetched and _is_waited_for(each.jobs, Part.BRANCH) for each in sets):
            return False
        tasks = [Task(each.jobs[0], None, each.fetched[each.jobs[0].id]) for each in sets]
        applied, began = _Applied(), time.monotonic()
        try:
            with self._database.write() as tx:
                held, may_be_paused = _hold(tx, tasks)
                for task in held:
                    handler, is_last = self._handlers[task.job.kind], task is held[-1]
                    with _context([task.job]):
                        self._write_held(tx, handler, [task], applied, may_be_paused=may_be_paused, settles=is_last)
        except Exception as error:
            log.info("jobs.run_apart", count=len(tasks), exc_info=error)
            return False
        outcomes.committed(applied.done, began=began)
        outcomes.succeeded(applied.done, began=began)
        for task in tasks:
            if task.job not in applied.done:
                log.info("job.lease_lost", job=str(task.job.id))
        return True

    def _in_time(self, sets: Sequence[_Set]) -> list[_Set]:
        """The sets that may still begin, when the others were given back: all of those, since a lease ends at the deadline
        even while it is renewed."""
        now = time.monotonic()
        late = [each for each in sets if self._stopping.is_set() or now > each.begin_by]
        self._give_back([job for each in late for job in each.jobs])
        return [each for each in sets if each not in late]

    def _give_back(self, claimed: Sequence[Job]) -> None:
        if not claimed:
            return
        with suppress(SQLAlchemyError), self._database.write() as tx:  # or their leases expire
            jobs.give_back(tx, [lease_of(job) for job in claimed])

    def _run_set(self, claimed: Sequence[Job], fetched: Mapping[UUID, Any]) -> _Applied:
        """Run a set that is ours.

        Args:
            fetched: what was fetched for these jobs with the set that they follow.

        Returns:
            The follow-ups to run next.
        """
        following = _Applied()
        failed: Sequence[tuple[Job, JobError]] = ()
        handler = self._handlers[claimed[0].kind]
        ours, began = claimed, time.monotonic()
        with _context(claimed):
            try:
                tasks, failed, by_themselves = self._fetch(handler, claimed, fetched)
                self._set_apart(by_themselves)
                ours = [job for job in claimed if job not in by_themselves]
                if tasks:
                    following = self._run_tasks(handler, tasks, began)
            except LeaseLost:
                log.info("job.lease_lost")
            except Exception as error:
                if len(claimed) == 1:
                    self._fail(claimed[0], handler, as_job_error(error), began)
                    return _Applied()
                log.warning("jobs.run_apart", count=len(ours), exc_info=error)
                self._run_apart(ours)
                return _Applied()
            for job, failure in failed:
                self._fail(job, handler, failure, began)
        return following

    def _run_tasks(self, handler: Handler, tasks: Sequence[Task], began: float) -> _Applied:
        """Send what is to be sent, and apply. Returns the follow-ups to run next, already claimed."""
        if handler.sending is None:
            return self._finish(handler, tasks, began)

        def apply(tx: Tx, handler: Handler, tasks: Sequence[Task]) -> Sequence[Job]:
            applied = _Applied()
            self._write(tx, handler, tasks, applied)
            return applied.done

        chain = Chain(
            self._services,
            apply=apply,
            fail=lambda handler, task, error: self._fail(task.job, handler, error, began),
            began=began,
            give_back=self._give_back,
            let_go=lambda ended: self._leases.let_go(*(lease_of(job) for job in ended)),
            tries=self._tries,
            stopping=self._stopping,
        )
        chain.run(handler, handler.sending, tasks)
        return _Applied()

    def _set_apart(self, by_themselves: Sequence[Job]) -> None:
        """Leave the jobs that must call XPM to the relay, so that their calls are made side by side."""
        if by_themselves:
            with self._database.write() as tx:
                jobs.set_apart(tx, [lease_of(job) for job in by_themselves])

    def _run_apart(self, claimed: Sequence[Job]) -> None:
        """Run jobs of a set one by one, so that only a culprit fails. Those for which half of their deadline is not enough
        go back to the queue, with nothing counted against them."""
        enough = time.monotonic() + min((job.deadline_seconds for job in claimed), default=0) / 2
        for job in claimed:
            if time.monotonic() < enough and not self._stopping.is_set():
                self._run_on([job])
            else:
                self._give_back([job])

    def _fetch(
        self, handler: Handler, claimed: Sequence[Job], known: Mapping[UUID, Any]
    ) -> tuple[list[Task], list[tuple[Job, JobError]], list[Job]]:
        """Fetch for a set.

        Returns:
            What is to be applied (its imports not locked yet), the jobs that failed, and those that must run by themselves.
        """
        tasks: list[Task] = []
        failed: list[tuple[Job, JobError]] = []
        by_themselves: list[Job] = []
        found = [known[job.id] for job in claimed] if known else handler.fetch(self._services, claimed)
        for job, fetched in zip(claimed, found, strict=True):
            if fetched is BY_ITSELF:
                by_themselves.append(job)
            elif isinstance(fetched, JobError):
                failed.append((job, fetched))
            else:
                tasks.append(Task(job, None, fetched))
        return tasks, failed, by_themselves

    def _finish(self, handler: Handler, tasks: Sequence[Task], began: float, *, go_on: bool = True) -> _Applied:
        """Apply, and ring the follow-ups. A COMMIT that got no answer is read back by a token, never assumed.

        Args:
            go_on: create a single import that a person waits for by the transaction that validates it. If that fails, each
                job runs by itself, so that only a culprit fails.
        """
        applied, began_applying = _Applied(), time.monotonic()
        for attempt in self._tries():
            with attempt:
                written = _Applied()
                try:
                    with self._database.write() as tx:
                        self._write(tx, handler, tasks, written, go_on=go_on)
                        applied = written  # before the COMMIT, because its answer may be lost
                except _MustRunApart as error:
                    log.info("jobs.run_apart", count=2, exc_info=error.__cause__)
                    return self._finish(handler, tasks, began, go_on=False)
                except LeaseLost:
                    # An earlier COMMIT may have gone through, even while this try waited for its locks.
                    if attempt.retry_state.attempt_number == 1 or not self._was_recorded(tasks):
                        raise
                    applied.next_jobs = self._read_back(applied.next_leases)
        outcomes.committed([*applied.done, *(job for job, _ in applied.refused)], began=began_applying)
        with self._leases.held(*applied.next_leases):  # Redis may take longer than a lease
            for lane, job_id in applied.to_ring:
                self._bell.ring(lane, [job_id])
            if applied.to_relay:
                self._bell.wake_relay()
        outcomes.succeeded(applied.done, began=began)
        for job, refusal in applied.refused:
            outcomes.failed(job, refusal, began=began)
        return applied

    def _was_recorded(self, tasks: Sequence[Task]) -> bool:
        with self._database.read() as tx:
            return jobs.was_recorded(tx, [lease_of(task.job).token for task in tasks])

    def _read_back(self, leases: Sequence[Lease]) -> Sequence[Job]:
        """The current state of jobs that we claimed, without those that are no longer ours."""
        with self._database.read() as tx:
            found = jobs.of_ids(tx, [lease.job_id for lease in leases])
        tokens = {lease.token for lease in leases}
        return [job for job in found if _is_ours(job, tokens)]

    def _write(
        self, tx: Tx, handler: Handler, tasks: Sequence[Task], applied: _Applied, *, go_on: bool = False
    ) -> None:
        """The one transaction: effects, jobs done, follow-ups, import states. The fence comes before any effect: a job whose
        lease is lost is left out, and its effect with it.
        """
        tasks, may_be_paused = _hold(tx, tasks)
        if not tasks:
            raise LeaseLost("none of these jobs is ours any longer")
        self._write_held(tx, handler, tasks, applied, may_be_paused=may_be_paused)
        creation = _creation(tasks, applied) if go_on else None
        if creation is not None:
            try:
                with _context([creation.job]):
                    creates = self._handlers[creation.job.kind]
                    self._write_held(tx, creates, [creation], applied, may_be_paused=may_be_paused)
            except DATABASE_AWAY:
                raise
            except Exception as error:
                raise _MustRunApart from error

    def _write_held(
        self,
        tx: Tx,
        handler: Handler,
        tasks: Sequence[Task],
        applied: _Applied,
        *,
        may_be_paused: bool,
        settles: bool = True,
    ) -> None:
        """`settles`: no other job of these imports ends in this transaction after these."""
        results = handler.apply(tx, tasks)
        done: list[tuple[Job, Sequence[FollowUp]]] = []
        refused: list[tuple[Job, Rejected]] = []
        for task, result in zip(tasks, results, strict=True):
            if isinstance(result, Rejected):
                refused.append((task.job, result))
            else:
                done.append((task.job, result))
        if not done and len(refused) == 1:
            raise refused[0][1]
        if done:
            jobs.succeed(tx, *(lease_of(job) for job, _ in done))
        if refused:
            failures.reject(tx, refused)
        applied.done, applied.refused = [*applied.done, *(job for job, _ in done)], refused
        self._insert_follow_ups(tx, done, applied, may_be_paused=may_be_paused)
        fetched = {task.job.import_id: task.fetched for task in tasks}
        if all(self._handlers[job.kind].fetch is handler.fetch for job in applied.next_jobs):
            applied.fetched = {job.id: fetched[job.import_id] for job in applied.next_jobs}
        if settles:
            running = {job.import_id for job in applied.next_jobs if job.import_id is not None}
            succeeded = {job.id for job in applied.done}
            self._settle(tx, [task.row for task in tasks if task.row is not None], running, succeeded)

    def _insert_follow_ups(
        self, tx: Tx, done: Sequence[tuple[Job, Sequence[FollowUp]]], applied: _Applied, *, may_be_paused: bool
    ) -> None:
        """Insert the follow-ups of finished jobs, and claim those that go on in the same lane: as they are inserted, unless
        a pause or the order of a batch may hold them back. While a person waits, the others are rung at once."""
        applied.next_jobs, applied.next_leases = (), ()
        wanted = [(parent, follow_up_job(tx, parent, each)) for parent, follow_ups in done for each in follow_ups]
        if not wanted:
            return
        interactive = wanted[0][0].interactive
        chosen = [job for parent, job in wanted if job.lane == parent.lane and not self._stopping.is_set()]
        leases = {job.id: Lease(job.id, tx.new_id(), self._leases.owner) for job in chosen}
        held_back = {job.id for job in chosen if may_be_paused or job.in_batch_order or job.kind not in self._handlers}
        added, claimed = jobs.add_claimed(
            tx,
            [job for _, job in wanted],
            {job_id: lease for job_id, lease in leases.items() if job_id not in held_back},
            lease_seconds=self._leases.lease_seconds,
            rung=interactive,
        )
        applied.next_leases = [lease for job_id, lease in leases.items() if job_id in added]
        to_take = [lease for lease in applied.next_leases if lease.job_id in held_back]
        # Entities before clients, whose imports go on with an email: those of a batch's first sets close while others begin.
        applied.next_jobs = [*claimed, *jobs.claim_all(tx, to_take, **self._terms())]
        taken = {job.id for job in applied.next_jobs}
        new = [job for _, job in wanted if job.id in added and job.id not in taken]
        applied.to_ring = [*applied.to_ring, *((job.lane, job.id) for job in new if interactive)]
        applied.to_relay = not interactive and any(job.lane != parent.lane for parent, job in wanted if job.id in added)

    def _fail(self, job: Job, handler: Handler, error: JobError, began: float) -> None:
        """Record a failure. If even that fails, the lease expires and the relay takes the job back."""
        began_recording = time.monotonic()
        try:
            self._tries()(failures.record, self._services, job, lease_of(job), handler.on_failure, error)
        except LeaseLost:
            log.info("job.lease_lost", job=str(job.id), code=error.code)
            self._give_back([job])  # still ours if another attempt turned out to have done its work
        except SQLAlchemyError as database_error:
            log.warning("job.failure_not_recorded", job=str(job.id), code=error.code, exc_info=database_error)
        else:
            outcomes.committed([job], began=began_recording)
            outcomes.failed(job, error, began=began)

    def _tries(self, *, for_seconds: float = 0.0) -> Retrying:
        return Retrying(
            retry=retry_if_exception_type(DATABASE_AWAY),
            stop=stop_all(stop_after_attempt(DATABASE_TRIES), stop_after_delay(for_seconds)),
            wait=wait_random_exponential(multiplier=0.05, max=1.0),
            reraise=True,
        )


def _creation(tasks: Sequence[Task], applied: _Applied) -> Task | None:
    """What follows the validation of a single import that a person waits for, unless that may have ended a worker (P14):
    then the creation answers for itself."""
    if len(tasks) != 1 or not _is_waited_for(applied.next_jobs, Part.SPINE) or tasks[0].job.lost_leases:
        return None
    [job] = applied.next_jobs
    return replace(tasks[0], job=job) if job.id in applied.fetched else None


def _is_waited_for(of_set: Sequence[Job], part: Part) -> bool:
    """Whether this is one job of this part of an import that a person waits for."""
    return len(of_set) == 1 and of_set[0].interactive and part_of(of_set[0].kind) is part


def _is_ours(job: Job, tokens: Collection[UUID]) -> bool:
    return job.lease_token in tokens and job.state is JobState.RUNNING


def _hold(tx: Tx, tasks: Sequence[Task]) -> tuple[list[Task], bool]:
    """Lock the jobs of a set that are still ours and, before them, their imports.

    Returns:
        Their tasks with the imports, and whether follow-ups may be paused.
    """
    leases = [lease_of(task.job) for task in tasks]
    if KINDS[tasks[0].job.kind].part is Part.STANDALONE:
        ours = jobs.held(tx, leases)
        return [task for task in tasks if task.job.id in ours], True
    held = imports.lock_with_jobs(tx, leases)
    may_be_paused = any(each.may_be_paused for each in held.values())
    return [replace(task, row=held[task.job.id].row) for task in tasks if task.job.id in held], may_be_paused


def _practice_of(row: Import) -> UUID:
    return row.practice_id


def _waiting(claimed: Iterable[Job], fetched: Mapping[UUID, Any]) -> list[_Set]:
    now = time.monotonic()
    return [
        _Set(of_kind, fetched, now + min(job.deadline_seconds for job in of_kind) / 2) for of_kind in _by_kind(claimed)
    ]


def _by_kind(claimed: Iterable[Job]) -> list[list[Job]]:
    """Sets of the same practice and kind. A message holds one, but anybody may write a message."""
    sets: dict[tuple[UUID, str], list[Job]] = {}
    for job in claimed:
        sets.setdefault((job.practice_id, job.kind), []).append(job)
    return list(sets.values())


@contextmanager
def _context(claimed: Sequence[Job]) -> Iterator[None]:
    """What every line of the log names: the kind, and the job and its import if it runs by itself. Only such a job is the
    present work: what a set does belongs to the traces of all its jobs, or of none."""
    with ExitStack() as stack:
        values = {}
        if len(claimed) == 1:
            values = {"job": str(claimed[0].id)}
            if claimed[0].import_id is not None:
                values["import_id"] = str(claimed[0].import_id)
            stack.enter_context(tracing.within(outcomes.span_of(claimed[0])))
        stack.enter_context(structlog.contextvars.bound_contextvars(kind=claimed[0].kind, **values))
        yield
