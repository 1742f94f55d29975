"""Explains a job: what it waits for, until when, and what happens next (invariant 7). Changes nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from handlers.errors import RequestRefused
from handlers.jobs.done_elsewhere import require_undone, utc_text
from handlers.jobs.handler import CONNECTION_PATIENCE_SECONDS
from handlers.jobs.kinds import KINDS, Part, part_of
from portal_db import audit
from portal_db.access import people
from portal_db.database import Tx
from portal_db.states import ErrorClass, JobState
from portal_db.tables import Job
from portal_db.types import database_time
from portal_db.work import imports, job_facts, leaders, pauses, workers
from portal_db.work.candidates import QUOTA_CODE, RING_AGAIN_SECONDS
from portal_db.work.jobs import LOST_LEASES_BEFORE_ISOLATION, PACED_CODE


@dataclass(frozen=True)
class WaitReason:
    """One thing that a job waits for: a stable code, a sentence for a person, and until when if that is known."""

    code: str
    words: str
    until: datetime | None = None


class Suggestion(StrEnum):
    """What an operator can do about a job; each surface words it as its command or its button."""

    REQUEUE = "requeue"
    DISMISS = "dismiss"
    #: Correct the import, then it runs again.
    AMEND = "amend"
    SEE_PAUSES = "see_pauses"
    START_RELAY = "start_relay"


@dataclass(frozen=True)
class NextStep:
    """What happens next with a job, in a sentence, and what an operator can do."""

    words: str
    suggestions: tuple[Suggestion, ...] = ()


@dataclass(frozen=True)
class Explanation:
    """Why a job is in its state, and what happens next. Without holds it waits for nothing."""

    job: Job
    holds: tuple[WaitReason, ...]
    next: NextStep


def explain(tx: Tx, job: Job, *, ring_limit: int) -> Explanation:
    """Explain a job as of now.

    Args:
        ring_limit: how many jobs of one practice may be rung and unfinished at once.
    """
    now = database_time(tx.session)
    match job.state:
        case JobState.RUNNING:
            return Explanation(job, (_lease(job, now),), _after_running(job, now))
        case JobState.QUEUED | JobState.WAITING:
            holds = tuple(_holds(tx, job, now, ring_limit))
            return Explanation(job, holds, _after_holds(job, holds))
        case JobState.DEAD:
            why = f"{job.error_message or 'No reason was recorded.'} ({job.error_code or 'no code'})"
            hold = WaitReason("dead", f"Waiting for an operator since {utc_text(job.finished_at)}: {why}")
            return Explanation(job, (hold,), _after_death(tx, job))
        case _:
            return Explanation(job, (), _ended(tx, job))


#: What staff read for these codes, since they see neither operators' reasons nor colleagues' imports. For any other code
#: they read the job's own message.
_FOR_STAFF = {
    "unknown_kind": "Waiting for a newer version of the portal.",
    "paused": "Paused by operations.",
    "batch_order": "Waiting for earlier rows of its batch.",
}


#: A job that is due and that no worker takes for so long is said to be late.
BEHIND_SECONDS = 60.0


def wait_reasons(tx: Tx, its_jobs: Iterable[Job]) -> dict[UUID, WaitReason]:
    """For each of an import's jobs that is open and not running, the first thing it waits for, in words for staff."""
    now = database_time(tx.session)
    return {job.id: _for_staff(tx, job, now) for job in its_jobs if job.state in (JobState.QUEUED, JobState.WAITING)}


def _for_staff(tx: Tx, job: Job, now: datetime) -> WaitReason:
    hold = next(_blockers(tx, job, now), None)
    if hold is None and job.state is JobState.WAITING and job.error_class is ErrorClass.CONNECTION:
        return reason_of_waiting(job)  # it is only looked at again
    if hold is None and (now - (job.next_attempt_at or job.created_at)).total_seconds() > BEHIND_SECONDS:
        return _behind(job_facts.backlog(tx, job))
    if hold is None:
        return WaitReason("free_worker", "Waiting to start…")
    return WaitReason(hold.code, _FOR_STAFF.get(hold.code) or job.error_message or hold.words, hold.until)


def _behind(backlog: job_facts.Backlog) -> WaitReason:
    """That no worker has taken a job for more than a minute, with its place and about how long that will take."""
    words = f"We are behind; yours is number {backlog.ahead + 1:,}"
    if backlog.finished:
        minutes = math.ceil((backlog.ahead + 1) / backlog.finished * job_facts.RECENT_SECONDS / 60)
        words += f", about {minutes:,} minute{'' if minutes == 1 else 's'}"
    return WaitReason("behind", f"{words}.")


def reason_of_waiting(job: Job) -> WaitReason:
    """Why a waiting job waits and until when, in words for staff, by the job alone."""
    hold = _not_due(job, job.next_attempt_at)
    return WaitReason(hold.code, job.error_message or hold.words, hold.until)


# ---- running ----


def _lease(job: Job, now: datetime) -> WaitReason:
    if job.lease_until is not None and job.lease_until <= now:
        words = f"Worker {job.lease_owner} stopped responding: its lease expired at {utc_text(job.lease_until)}."
        return WaitReason("lease_ran_out", words)
    deadline = f", until its hard deadline {utc_text(job.deadline_at)} at the latest" if job.deadline_at else ""
    words = f"Runs on {job.lease_owner}, which renews its lease every few seconds{deadline}."
    return WaitReason("lease", words, job.lease_until)


def _after_running(job: Job, now: datetime) -> NextStep:
    if job.lease_until is not None and job.lease_until <= now:
        again = "The relay takes it back within a second and rings it; that uses up no attempt."
        return NextStep(again + _isolation(job, 1))
    return NextStep(f"Once it is done, its follow-ups start. If it fails, that was attempt {job.attempts + 1}.")


# ---- open and not running ----


def _holds(tx: Tx, job: Job, now: datetime, ring_limit: int) -> Iterator[WaitReason]:
    """Everything that keeps a job from being claimed; if nothing does, how far it is on its way to a worker."""
    yield from list(_blockers(tx, job, now)) or [_delivery(tx, job, now, ring_limit)]
    if job.lost_leases >= LOST_LEASES_BEFORE_ISOLATION:
        words = f"Its worker died {job.lost_leases} times while running it, so it runs in a process of its own."
        yield WaitReason("alone", words)


def _blockers(tx: Tx, job: Job, now: datetime) -> Iterator[WaitReason]:
    if not workers.knows(tx, job):
        words = f"No running worker of lane {job.lane.value} knows jobs of kind {job.kind}, which a newer release made."
        yield WaitReason("unknown_kind", words)
    for paused in pauses.stopping(tx, job.practice_id, job.lane, job.kind):
        since, who = utc_text(paused.pause.created_at), paused.by or "the system"
        yield WaitReason("paused", f"Paused ({paused.scope}) by {who} since {since}: {paused.pause.reason}")
    was_parked = job.parked_at is None or job.parked_at <= now  # otherwise before the clock went back: it is due
    if job.state is JobState.WAITING and was_parked and job.next_attempt_at is not None and job.next_attempt_at > now:
        yield _not_due(job, job.next_attempt_at)
    before = job_facts.rows_before(tx, job)
    if before is not None:
        number, first = before
        rows = "an earlier row" if number == 1 else f"{number} earlier rows"
        words = (
            f"Waiting for {rows} of its batch, which may use the same email address;"
            f" the first is row {first.position + 1}, import {first.import_id} ({first.state})."
        )
        yield WaitReason("batch_order", words)


def _not_due(job: Job, due: datetime | None) -> WaitReason:
    """Why a waiting job's next attempt is in the future."""
    reason = (job.error_message or "No reason was recorded").rstrip(".")
    match job.error_class:
        case ErrorClass.CONNECTION:
            since = job.waiting_since or due
            words = f"Waiting for XPM to be reconnected since {utc_text(since)}, for up to 72 hours. {reason}."
            until = since + timedelta(seconds=CONNECTION_PATIENCE_SECONDS) if since else None
            return WaitReason("connection", words, until)
        case ErrorClass.DEFERRED if job.error_code == QUOTA_CODE:
            return WaitReason("quota", f"Waiting for XPM's quota: {reason}.", due)
        case ErrorClass.DEFERRED:
            return WaitReason("in_turn" if job.error_code == PACED_CODE else "deferred", f"{reason}.", due)
        case _:
            return WaitReason("back_off", f"Backing off after attempt {job.attempts}: {reason}.{_patience(job)}", due)


def _delivery(tx: Tx, job: Job, now: datetime, ring_limit: int) -> WaitReason:
    """How far a job that may be claimed is on its way to a worker."""
    if job.rung_at is not None and (now - job.rung_at).total_seconds() < RING_AGAIN_SECONDS:
        again = job.rung_at + timedelta(seconds=RING_AGAIN_SECONDS)
        words = f"Rung at {utc_text(job.rung_at)}: waiting for a free worker of lane {job.lane.value}."
        return WaitReason("free_worker", words, again)
    if not leaders.is_held(tx, leaders.RELAY):
        return WaitReason("no_relay", "Waiting to be rung, but no relay is running.")
    deferred = job_facts.deferred_by_quota(tx, job)
    if deferred is not None and (not job.interactive or deferred.id == job.id):
        limit = (deferred.error_message or "").split(",")[0]
        return WaitReason("quota", f"Waiting for XPM's quota with other jobs of its kind: {limit}.")
    if job.rung_at is not None:
        words = f"Rung at {utc_text(job.rung_at)}, but no worker of lane {job.lane.value} has claimed it."
        return WaitReason("not_claimed", words)
    crowd = job_facts.in_flight(tx, job)
    if crowd is not None and crowd[1] >= ring_limit:
        ahead = job_facts.ahead_of(tx, job, crowd[0])
        words = (
            f"{crowd[1]} jobs of its practice are rung or running, and RING_LIMIT allows {ring_limit} at a time."
            f" {ahead} are ahead of it."
        )
        return WaitReason("ring_limit", words)
    return WaitReason("relay", "Waiting for the relay, which looks every second.")


def _after_holds(job: Job, holds: tuple[WaitReason, ...]) -> NextStep:
    """What happens once the first of the holds is over."""
    code = holds[0].code
    steps = {
        "unknown_kind": "Once a worker that knows this kind runs, the relay rings it. Until then it waits and does not die.",
        "paused": "It continues when the pause is lifted.",
        "connection": "It continues as soon as XPM is reconnected. Otherwise it becomes a dead letter.",
        "no_relay": "It continues once a relay runs. Nothing is lost meanwhile.",
        "free_worker": "A worker claims it. If none does, the relay rings it again.",
        "not_claimed": "A worker claims it. The relay rings it again within a second, unless the lane's queue is long."
        " Check that workers of this lane are running.",
        "batch_order": "It continues once those rows have their email address or have failed once.",
        "ring_limit": "The relay rings it when its turn comes.",
        "quota": "The relay rings it as permits become free; that uses up no attempt.",
    }
    words = steps.get(code, "The relay then rings it, and a worker runs it.") + _isolation(job, 0)
    suggestions = {"paused": Suggestion.SEE_PAUSES, "no_relay": Suggestion.START_RELAY}
    return NextStep(words, (suggestions[code],) if code in suggestions else ())


def _isolation(job: Job, more: int) -> str:
    if job.lost_leases + more < LOST_LEASES_BEFORE_ISOLATION:
        return ""
    return " It runs in a process of its own. If that dies too, it becomes a dead letter."


# ---- ended ----


def _after_death(tx: Tx, job: Job) -> NextStep:
    row = imports.get(tx, job.import_id) if job.import_id is not None else None
    amend = (Suggestion.AMEND,) if row is not None and part_of(job.kind) is Part.SPINE else ()
    try:
        require_undone(tx, job, row)
    except RequestRefused as refusal:
        refused = f"Nothing until an operator acts. A requeue would be refused: {refusal.message}"
        return NextStep(refused, (Suggestion.DISMISS,))
    return NextStep("Nothing until an operator acts.", (Suggestion.REQUEUE, Suggestion.DISMISS, *amend))


def _ended(tx: Tx, job: Job) -> NextStep:
    ended = f"It ended at {utc_text(job.finished_at)}"
    match job.state:
        case JobState.SUCCEEDED:
            return NextStep(f"Nothing. {ended} and succeeded.")
        case JobState.REJECTED:
            reason = f"{job.error_message} {job.error_action or ''}".strip()
            amend = (Suggestion.AMEND,) if job.import_id else ()
            return NextStep(f"Nothing. {ended}, rejected: {reason}", amend)
        case _:
            return NextStep(f"Nothing. {ended}, {job.state.value}{_by_whom(tx, job)}")


def _by_whom(tx: Tx, job: Job) -> str:
    """Who dismissed or cancelled a job, by the audit trail of the job, else of its import."""
    acts = [entry for entry in audit.of_subject(tx, "job", job.id) if entry.actor_id is not None]
    if not acts and job.import_id is not None:
        acts = [entry for entry in audit.of_subject(tx, "import", job.import_id) if entry.action == "import.cancel"]
    if not acts or acts[-1].actor_id is None:
        return "."
    last, actor_id = acts[-1], acts[-1].actor_id
    who = people.operator_names(tx, [actor_id]).get(actor_id, "an operator")
    return f" by {who}: {last.why or 'no reason was recorded'}"


def _patience(job: Job) -> str:
    """Until when a failing job is retried."""
    kind = KINDS.get(job.kind)
    if kind is None or job.waiting_since is None:
        return ""
    return f" It is retried until {utc_text(job.waiting_since + timedelta(hours=kind.patience_hours))}."
