"""Imports and their jobs, with every attempt, event, pause and audit entry; also malformed messages and leaders."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal_db.states import (
    ActorKind,
    AttemptOutcome,
    ClientKind,
    ClientType,
    EntityType,
    ErrorClass,
    ImportState,
    JobState,
    Lane,
    Subscription,
)
from portal_db.tables.base import Base, partial_index


class Batch(Base):
    """Imports requested together, in an order that decides who gets a shared email (b.10)."""

    __tablename__ = "batches"
    __table_args__ = (UniqueConstraint("practice_id", "idempotency_key"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id"))
    requested_by: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    idempotency_key: Mapped[str] = mapped_column(String(200))
    fingerprint: Mapped[str] = mapped_column(String(64))
    size: Mapped[int]
    created_at: Mapped[datetime]


class Import(Base):
    """A request to import one client or entity from XPM, and its outcome."""

    __tablename__ = "imports"
    __table_args__ = (
        UniqueConstraint("practice_id", "idempotency_key"),
        UniqueConstraint("batch_id", "position"),
        Index("ix_imports_record", "xpm_uuid", "practice_id"),
        partial_index(
            "ix_imports_unresolved", "batch_id", "position", where="batch_id IS NOT NULL AND resolved_at IS NULL"
        ),
        Index("ix_imports_email", "email_key", "practice_id"),
        Index("ix_imports_listing", "practice_id", "created_at", "id"),
        partial_index(
            "ix_imports_open",
            "practice_id",
            "created_at",
            "id",
            where="state IN ('accepted', 'in_progress', 'waiting')",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id"))
    requested_by: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    idempotency_key: Mapped[str] = mapped_column(String(200))
    fingerprint: Mapped[str] = mapped_column(String(64))
    batch_id: Mapped[UUID | None] = mapped_column(ForeignKey("batches.id"))
    position: Mapped[int | None]

    xpm_uuid: Mapped[UUID]
    kind: Mapped[ClientKind]
    #: Changed by the requester; `None` takes the value from XPM.
    name: Mapped[str | None] = mapped_column(String(500))
    entity_type: Mapped[EntityType | None]
    email: Mapped[str | None] = mapped_column(String(320))
    client_type: Mapped[ClientType | None]
    subscription: Mapped[Subscription | None]
    send_welcome_email: Mapped[bool]
    bring_details: Mapped[bool]
    bring_relationships: Mapped[bool]

    state: Mapped[ImportState]
    epoch: Mapped[int]
    #: Answers that XPM gave before this time are too old to import from.
    epoch_started_at: Mapped[datetime]
    revision: Mapped[int]
    #: The normalised email this import will take, once it is known (unset for entities).
    email_key: Mapped[str | None] = mapped_column(String(320))
    #: When it stopped holding back later rows of its batch: its email became known, or an attempt failed (b.10, b.30).
    resolved_at: Mapped[datetime | None]
    client_id: Mapped[UUID | None]
    outcome_code: Mapped[str | None] = mapped_column(String(64))
    outcome_field: Mapped[str | None] = mapped_column(String(64))
    outcome_message: Mapped[str | None] = mapped_column(String(1000))
    outcome_remedy: Mapped[str | None] = mapped_column(String(1000))
    created_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


_RUNG = "state IN ('queued', 'waiting') AND rung_at IS NOT NULL"


class Job(Base):
    """One unit of work. `args` hold ids only; a running job belongs to the process that has `lease_token`."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_import", "import_id", "epoch"),
        #: Open jobs only, so that finished work costs nothing. The first holds those that were not rung, in the order in
        #: which each practice's jobs of a lane and kind are rung.
        partial_index(
            "ix_jobs_unrung", "interactive", "practice_id", "lane", "kind", "asked_at", "position", "created_at", "id",
            where="state IN ('queued', 'waiting') AND rung_at IS NULL",
        ),
        partial_index("ix_jobs_rung", "lane", "rung_at", where=_RUNG),
        #: The same jobs, to count those of a practice without reading the jobs themselves.
        partial_index("ix_jobs_in_flight", "practice_id", "interactive", "rung_at", "lane", where=_RUNG),
        partial_index("ix_jobs_running", "lease_owner", where="state = 'running'"),
        #: Jobs that wait for the upstream's quota.
        partial_index(
            "ix_jobs_quota", "interactive", "practice_id", "lane", "kind",
            where="state = 'waiting' AND error_code = 'xpm_quota'",
        ),
        #: Jobs that wait, by what for: an outage's end wakes its own.
        partial_index("ix_jobs_waiting", "error_code", "next_attempt_at", "id", where="state = 'waiting'"),
        #: Dead letters are few among many jobs, and are searched by age.
        partial_index("ix_jobs_dead", "finished_at", "id", where="state = 'dead'"),
    )  # fmt: skip

    id: Mapped[UUID] = mapped_column(primary_key=True)
    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id"))
    import_id: Mapped[UUID | None] = mapped_column(ForeignKey("imports.id"))
    epoch: Mapped[int]
    kind: Mapped[str] = mapped_column(String(40))
    lane: Mapped[Lane]
    #: True while somebody waits for it: rung at commit, whatever its lane.
    interactive: Mapped[bool]
    #: Waits until no earlier row of its batch is unresolved (b.10).
    in_batch_order: Mapped[bool]
    #: When the work this job belongs to was requested, and its place in its batch (0 outside a batch): jobs are rung in this
    #: order, so that started work is finished before more is started.
    asked_at: Mapped[datetime]
    position: Mapped[int]
    args: Mapped[dict[str, Any]] = mapped_column(JSON)
    dedupe_key: Mapped[str] = mapped_column(String(200), unique=True)
    deadline_seconds: Mapped[int]

    state: Mapped[JobState]
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    deferrals: Mapped[int] = mapped_column(Integer, default=0)
    lost_leases: Mapped[int] = mapped_column(Integer, default=0)
    rung_at: Mapped[datetime | None]
    next_attempt_at: Mapped[datetime | None]
    #: When that was decided.
    parked_at: Mapped[datetime | None]
    #: When the first of a row of failures was that are retried: of its kind's patience, or 72 hours for a reconnect.
    waiting_since: Mapped[datetime | None]

    lease_token: Mapped[UUID | None]
    lease_owner: Mapped[str | None] = mapped_column(String(100))
    lease_until: Mapped[datetime | None]
    deadline_at: Mapped[datetime | None]

    error_class: Mapped[ErrorClass | None]
    error_code: Mapped[str | None] = mapped_column(String(64))
    #: A digest of code and normalised message: dead letters with the same cause share it.
    error_cause: Mapped[str | None] = mapped_column(String(12))
    error_field: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None] = mapped_column(String(1000))
    error_action: Mapped[str | None] = mapped_column(String(1000))
    trace_context: Mapped[str | None] = mapped_column(String(200))

    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class JobAttempt(Base):
    """One attempt at a job, written in the transaction of its outcome. Its key is the lease token, so it shows whether a
    COMMIT that got no answer happened."""

    __tablename__ = "job_attempts"

    token: Mapped[UUID] = mapped_column(primary_key=True)
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id"), index=True)
    number: Mapped[int]
    owner: Mapped[str] = mapped_column(String(100))
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime]
    outcome: Mapped[AttemptOutcome]
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None] = mapped_column(String(1000))
    #: For operators: the traceback's code locations and exception types, without values.
    traceback: Mapped[str | None] = mapped_column(Text)


class ImportEvent(Base):
    """A close of an import, once per epoch; completion webhooks are made from it."""

    __tablename__ = "import_events"
    __table_args__ = (UniqueConstraint("import_id", "epoch"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id"))
    import_id: Mapped[UUID] = mapped_column(ForeignKey("imports.id"))
    epoch: Mapped[int]
    state: Mapped[ImportState]
    created_at: Mapped[datetime]


class Pause(Base):
    """A stop on claims of all jobs that match a practice, a lane, a job kind, or any combination."""

    __tablename__ = "pauses"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    practice_id: Mapped[UUID | None] = mapped_column(ForeignKey("practices.id"))
    lane: Mapped[Lane | None]
    kind: Mapped[str | None] = mapped_column(String(40))
    reason: Mapped[str] = mapped_column(String(500))
    paused_by: Mapped[UUID | None] = mapped_column(ForeignKey("operators.id"))
    created_at: Mapped[datetime]


class Outage(Base):
    """A server that many jobs need and that has failed since its last answer, such as the mail server."""

    __tablename__ = "outages"

    upstream: Mapped[str] = mapped_column(String(20), primary_key=True)
    #: What is wrong with it, in words for people: "cannot be reached".
    reason: Mapped[str] = mapped_column(String(200))
    #: The work that met the last failure.
    holder: Mapped[str | None] = mapped_column(String(200))
    since: Mapped[datetime]
    failures: Mapped[int]
    next_probe_at: Mapped[datetime]


class AuditEntry(Base):
    """Who changed what, when, from what to what, and why. States, codes and ids only, no personal data."""

    __tablename__ = "audit"
    __table_args__ = (
        Index("ix_audit_subject", "subject", "subject_id"),
        #: What operators did, which is little beside what the system did.
        partial_index("ix_audit_operators", "actor_id", "id", where="actor = 'operator'"),
        partial_index("ix_audit_people", "practice_id", "id", where="actor <> 'system'"),
        partial_index("ix_audit_addresses", "at", where="address IS NOT NULL"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    practice_id: Mapped[UUID | None] = mapped_column(ForeignKey("practices.id"))
    actor: Mapped[ActorKind]
    actor_id: Mapped[UUID | None]
    #: The API key of the program that acted for a staff member.
    via_key_id: Mapped[UUID | None]
    #: Where the request came from; empty for the command line, and after KEEP_AUDIT_DAYS.
    address: Mapped[str | None] = mapped_column(String(45))
    action: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(40))
    subject_id: Mapped[UUID]
    before: Mapped[str | None] = mapped_column(String(200))
    after: Mapped[str | None] = mapped_column(String(200))
    why: Mapped[str | None] = mapped_column(String(1000))


class MalformedMessage(Base):
    """A message on the import queue that could not be read, kept encrypted until somebody looks at it (P6)."""

    __tablename__ = "malformed_messages"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    queue: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(String(500))
    payload: Mapped[bytes]
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    received_at: Mapped[datetime]


class Leader(Base):
    """A role that one process at a time holds, by lease."""

    __tablename__ = "leaders"

    role: Mapped[str] = mapped_column(String(40), primary_key=True)
    owner: Mapped[str] = mapped_column(String(100))
    #: `None`: an earlier release wrote it.
    renewed_at: Mapped[datetime | None]
    until: Mapped[datetime]
