"""Explains a job: what it waits for, until when, and what happens next (invariant 7). Looks only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from uuid import UUID

from handlers.errors import RequestRefused
from handlers.jobs.done_elsewhere import require_undone
from handlers.jobs.handler import CONNECTION_PATIENCE_SECONDS, LOST_LEASES_BEFORE_ISOLATION
from handlers.jobs.kinds import KINDS, Part, part_of
from portal_db import audit
from portal_db.access import people
from portal_db.database import Tx
from portal_db.states import ErrorClass, JobState
from portal_db.tables import Job
from portal_db.types import database_time
from portal_db.work import imports, job_facts, leaders, pauses
from portal_db.work.jobs import PACED_CODE
from portal_db.work.ringing import QUOTA_CODE, RING_AGAIN_SECONDS


@dataclass(frozen=True)
class WaitReason:
    """One thing that a job waits for: a stable code, words for a person, and until when if that is known."""

    code: str
    words: str
    until: datetime | None = None


@dataclass(frozen=True)
class Explanation:
    """Why a job is where it is. No hold: it waits for nothing."""

    job: Job
    holds: tuple[WaitReason, ...]
    next: str


def explain(tx: Tx, job: Job, *, ring_limit: int) -> Explanation:
    """What is known of a job at this moment.

    Args:
        ring_limit: jobs of one practice that the relay lets be rung and unfinished at once.
    """
    now = database_time(tx.session)
    match job.state:
        case JobState.RUNNING:
            return Explanation(job, (_lease(job, now),), _after_running(job, now))
        case JobState.QUEUED | JobState.WAITING:
            holds = tuple(_holds(tx, job, now, ring_limit))
            return Explanation(job, holds, _after_holds(job, holds))
        case JobState.DEAD:
            return Explanation(job, (_decision(job),), _after_death(tx, job))
        case _:
            return Explanation(job, (), _ended(tx, job))


#: What each of these is to staff, who see neither operators' words nor colleagues' imports; any other in the job's own.
_TO_STAFF = {
    "unknown_kind": "Waits for a newer version of the portal.",
    "paused": "Paused by operations.",
    "batch_order": "Earlier rows of its batch come first.",
}


def waits(tx: Tx, its_jobs: Iterable[Job]) -> dict[UUID, WaitReason]:
    """For each of these jobs that is open and not running the first thing it waits for, in words for its import's staff."""
    now = database_time(tx.session)
    return {job.id: _to_staff(tx, job, now) for job in its_jobs if job.state in (JobState.QUEUED, JobState.WAITING)}


def _to_staff(tx: Tx, job: Job, now: datetime) -> WaitReason:
    hold = next(chain(_stops(tx, job), _waits(tx, job, now)), None)
    if hold is None:
        return WaitReason("free_worker", "Waits for a free worker.")
    return WaitReason(hold.code, _TO_STAFF.get(hold.code) or job.error_message or hold.words, hold.until)


# ---- running ----


def _lease(job: Job, now: datetime) -> WaitReason:
    if job.lease_until is not None and job.lease_until <= now:
        words = f"Its worker {job.lease_owner} was not heard of again: the lease ran out at {_moment(job.lease_until)}."
        return WaitReason("lease_ran_out", words)
    ends = f", at the latest until its hard deadline {_moment(job.deadline_at)}" if job.deadline_at else ""
    return WaitReason(
        "lease", f"Runs on {job.lease_owner}, whose lease is renewed every few seconds{ends}.", job.lease_until
    )


def _after_running(job: Job, now: datetime) -> str:
    if job.lease_until is not None and job.lease_until <= now:
        return f"The relay takes it back at its next look and rings it; that uses up no attempt.{_alone(job, 1)}"
    return f"When it is done, what follows it starts. If it fails, that was try {_tries(job, 1)}."


# ---- open and not running ----


def _holds(tx: Tx, job: Job, now: datetime, ring_limit: int) -> Iterator[WaitReason]:
    """Everything that keeps a job from being claimed; where nothing does, how it gets to a worker."""
    held = False
    for hold in chain(_stops(tx, job), _waits(tx, job, now)):
        held = True
        yield hold
    if not held:
        yield _delivery(tx, job, now, ring_limit)
    if job.lost_leases >= LOST_LEASES_BEFORE_ISOLATION:
        words = f"Its worker died {job.lost_leases} times while running it, so it runs in a process of its own."
        yield WaitReason("alone", words)


def _stops(tx: Tx, job: Job) -> Iterator[WaitReason]:
    if job.kind not in KINDS:
        yield WaitReason("unknown_kind", f"This version does not know jobs of the kind {job.kind}.")
    for paused in pauses.stopping(tx, job.practice_id, job.lane, job.kind):
        since, who = _moment(paused.pause.created_at), paused.by or "the system"
        words = f"Paused ({paused.scope}) by {who} since {since}: {paused.pause.reason}"
        yield WaitReason("paused", words)


def _waits(tx: Tx, job: Job, now: datetime) -> Iterator[WaitReason]:
    if job.state is JobState.WAITING and job.next_attempt_at is not None and job.next_attempt_at > now:
        yield _time(job, job.next_attempt_at)
    before = job_facts.rows_before(tx, job)
    if before is not None:
        number, first = before
        rows = "an earlier row" if number == 1 else f"{number} earlier rows"
        words = (
            f"Waits for {rows} of its batch, which may want the same email;"
            f" the first is row {first.position + 1}, import {first.import_id} ({first.state})."
        )
        yield WaitReason("batch_order", words)


def _time(job: Job, due: datetime) -> WaitReason:
    """Why its time has not come yet."""
    reason = (job.error_message or "No reason was kept").rstrip(".")
    match job.error_class:
        case ErrorClass.CONNECTION:
            begun = job.waiting_since or due
            patience = begun + timedelta(seconds=CONNECTION_PATIENCE_SECONDS)
            words = f"Waits for XPM to be reconnected, since {_moment(begun)}, 72 hours at most. {reason}."
            return WaitReason("connection", words, patience)
        case ErrorClass.DEFERRED if job.error_code == QUOTA_CODE:
            return WaitReason("quota", f"Waits for XPM's quota: {reason}.", due)
        case ErrorClass.DEFERRED if job.error_code == PACED_CODE:
            return WaitReason("in_turn", f"{reason}.", due)
        case ErrorClass.DEFERRED:
            return WaitReason("deferred", f"{reason}.", due)
        case _:
            return WaitReason("back_off", f"Backs off after try {_tries(job, 0)}: {reason}.", due)


def _delivery(tx: Tx, job: Job, now: datetime, ring_limit: int) -> WaitReason:
    """It may be claimed: how far it is on its way to a worker."""
    if job.rung_at is not None and (now - job.rung_at).total_seconds() < RING_AGAIN_SECONDS:
        again = job.rung_at + timedelta(seconds=RING_AGAIN_SECONDS)
        words = f"Rung at {_moment(job.rung_at)}: waits for a free worker of the lane {job.lane.value}."
        return WaitReason("free_worker", words, again)
    if job_facts.leader(tx, leaders.RELAY) is None:
        return WaitReason("no_relay", "Waits to be rung, and no relay is running.")
    deferred = job_facts.deferred_by_quota(tx, job)
    if deferred is not None and (not job.interactive or deferred.id == job.id):
        limit = (deferred.error_message or "").split(",")[0]
        return WaitReason("quota", f"Waits for a permit of XPM's quota with others of its kind: {limit}.")
    crowd = job_facts.in_flight(tx, job)
    if crowd is not None and crowd[1] >= ring_limit:
        ahead = job_facts.ahead_of(tx, job, crowd[0])
        words = (
            f"{crowd[1]} jobs of its practice are rung or running, and RING_LIMIT lets {ring_limit} be so at once;"
            f" {ahead} go before it."
        )
        return WaitReason("ring_limit", words)
    if job.rung_at is not None:
        words = f"Rung at {_moment(job.rung_at)} and claimed by no worker of the lane {job.lane.value}."
        return WaitReason("not_claimed", words)
    return WaitReason("relay", "Waits for the relay's next look, within a second.")


def _after_holds(job: Job, holds: tuple[WaitReason, ...]) -> str:
    """What happens once the first of the holds is over."""
    steps = {
        "unknown_kind": "A worker of a version that knows this kind claims it; until then it waits and does not die.",
        "paused": "It goes on by itself once it is resumed: see `portal-sync pauses list`.",
        "connection": "Reconnecting lets it go on at once. Without that it becomes a dead letter.",
        "no_relay": "Start one: `portal-sync relay`. Nothing is lost meanwhile.",
        "free_worker": "A worker claims it. If none does, the relay rings it again.",
        "not_claimed": "The relay rings it again at its next look. Check that workers of this lane run.",
        "batch_order": "It goes on when those rows have their email or have failed once.",
        "ring_limit": "The relay rings it when its turn has come.",
        "quota": "The relay rings it as permits come free; that uses up no attempt.",
    }
    return steps.get(holds[0].code, "The relay rings it then, and a worker runs it.") + _alone(job, 0)


def _alone(job: Job, more: int) -> str:
    if job.lost_leases + more < LOST_LEASES_BEFORE_ISOLATION:
        return ""
    return " It runs alone; if it ends that process too, it becomes a dead letter."


# ---- ended ----


def _decision(job: Job) -> WaitReason:
    why = f"{job.error_message or 'No reason was kept.'} ({job.error_code or 'no code'})"
    return WaitReason("dead", f"Waits for an operator since {_moment(job.finished_at)}: {why}")


def _after_death(tx: Tx, job: Job) -> str:
    row = imports.get(tx, job.import_id) if job.import_id is not None else None
    try:
        require_undone(tx, job, row)
    except RequestRefused as refusal:
        return f"Nothing by itself. A requeue would be refused: {refusal.message} {refusal.remedy}"
    amend = ""
    if row is not None and part_of(job.kind) is Part.SPINE:
        amend = f" To correct it first: `portal-sync imports amend {row.id}`."
    return (
        f"Nothing by itself. `portal-sync dead requeue {job.id}` runs it again,"
        f" `portal-sync dead dismiss {job.id}` takes it out.{amend}"
    )


def _ended(tx: Tx, job: Job) -> str:
    ended = f"It ended at {_moment(job.finished_at)}"
    match job.state:
        case JobState.SUCCEEDED:
            return f"Nothing. {ended} and succeeded."
        case JobState.REJECTED:
            told = f"{job.error_message} {job.error_action or ''}".strip()
            remedy = f" `portal-sync imports amend {job.import_id}` corrects the import." if job.import_id else ""
            return f"Nothing by itself. {ended}, turned down: {told}{remedy}"
        case _:
            return f"Nothing. {ended}, {job.state.value}{_by_whom(tx, job)}"


def _by_whom(tx: Tx, job: Job) -> str:
    """Who took it out, by the audit trail of the job, else of its import."""
    acts = [entry for entry in audit.of_subject(tx, "job", job.id) if entry.actor_id is not None]
    if not acts and job.import_id is not None:
        acts = [entry for entry in audit.of_subject(tx, "import", job.import_id) if entry.action == "import.cancel"]
    if not acts or acts[-1].actor_id is None:
        return "."
    last, actor_id = acts[-1], acts[-1].actor_id
    who = people.operator_names(tx, [actor_id]).get(actor_id, "an operator")
    return f" by {who}: {last.why or 'no reason was kept'}"


def _tries(job: Job, more: int) -> str:
    kind = KINDS.get(job.kind)
    return f"{job.attempts + more}" + (f" of {kind.attempts}" if kind is not None else "")


def _moment(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at is not None else "a time that was not kept"
