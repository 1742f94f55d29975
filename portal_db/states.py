"""The words the record is written in: states, lanes, roles and kinds, each with the values a column may hold."""

from __future__ import annotations

from enum import StrEnum


class ImportState(StrEnum):
    """Where an import stands (design: three open states, five closed ones)."""

    ACCEPTED = "accepted"
    IN_PROGRESS = "in_progress"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    PARTLY_SUCCEEDED = "partly_succeeded"
    REJECTED = "rejected"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_open(self) -> bool:
        return self in OPEN_IMPORT_STATES


OPEN_IMPORT_STATES = frozenset({ImportState.ACCEPTED, ImportState.IN_PROGRESS, ImportState.WAITING})


class JobState(StrEnum):
    """Where a job stands. `dead` is a dead letter: it stays until somebody requeues or dismisses it."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    REJECTED = "rejected"
    DEAD = "dead"
    CANCELLED = "cancelled"
    DISMISSED = "dismissed"


OPEN_JOB_STATES = frozenset({JobState.QUEUED, JobState.RUNNING, JobState.WAITING})


class Lane(StrEnum):
    """A priority class with a Redis queue of its own, highest first; `email` stands apart."""

    INTERACTIVE = "interactive"
    IMPORT = "import"
    RESYNC = "resync"
    EMAIL = "email"


class ErrorClass(StrEnum):
    """What an error decides about its job (design §3)."""

    REJECTED = "rejected"
    DEFERRED = "deferred"
    TRANSIENT = "transient"
    CONNECTION = "connection"
    UNKNOWN = "unknown"
    PERMANENT = "permanent"


class AttemptOutcome(StrEnum):
    """How one attempt at a job ended."""

    SUCCEEDED = "succeeded"
    REJECTED = "rejected"
    DEFERRED = "deferred"
    TRANSIENT = "transient"
    CONNECTION = "connection"
    UNKNOWN = "unknown"
    PERMANENT = "permanent"
    LEASE_LOST = "lease_lost"
    CANCELLED = "cancelled"


class ClientKind(StrEnum):
    """What an XPM record becomes: a person with a login, or an entity without one."""

    INDIVIDUAL = "individual"
    ENTITY = "entity"


class EntityType(StrEnum):
    """The nine kinds of entity the portal knows (b.4)."""

    COMPANY = "Company"
    JOINT_VENTURE = "Joint Venture"
    OTHER = "Other"
    PARTNERSHIP = "Partnership"
    PRIVATE_COMPANY = "Private Company"
    PUBLIC_COMPANY = "Public Company"
    SOLE_TRADER = "Sole Trader"
    SUPER_FUND = "Super Fund"
    TRUST = "Trust"


class ClientType(StrEnum):
    PERSONAL = "Personal"
    BUSINESS = "Business"


class Subscription(StrEnum):
    STARTER = "Starter"
    PRO = "Pro"


class Role(StrEnum):
    """Staff of a practice. Basic staff look; all others may import (b. S31)."""

    OWNER = "owner"
    ACCOUNT_ADMIN = "account_admin"
    PARTNER = "partner"
    MANAGER = "manager"
    BASIC = "basic"

    @property
    def may_import(self) -> bool:
        return self is not Role.BASIC

    @property
    def may_manage(self) -> bool:
        """Looks after the practice's own things (API keys, webhooks), and sees every client of it (b.7)."""
        return self in (Role.OWNER, Role.ACCOUNT_ADMIN)


class LoginKind(StrEnum):
    CLIENT = "client"
    STAFF = "staff"
    OPERATOR = "operator"


class ConnectionState(StrEnum):
    CONNECTED = "connected"
    BROKEN = "broken"
    DISCONNECTED = "disconnected"


class EmailState(StrEnum):
    """A welcome email's life. `sending` is an intent: what follows it is sent, known not sent, or unknown."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"


class ReviewState(StrEnum):
    """Where a relationship stands in the review queue (b.18 to b.27)."""

    PENDING = "pending"
    IGNORED = "ignored"
    IMPORTED = "imported"
    LINKED = "linked"
    SUPERSEDED = "superseded"


class FieldSource(StrEnum):
    """Who last decided a client's field."""

    XPM = "xpm"
    IMPORT = "import"
    STAFF = "staff"
    CLIENT = "client"


class ConnectionAccess(StrEnum):
    """What somebody who acts for an entity may do in its portal."""

    NONE = "none"
    GUEST = "guest"


class TaskKind(StrEnum):
    """What a client is asked for."""

    TO_DO = "to_do"
    ACKNOWLEDGEMENT = "acknowledgement"
    DOCUMENT_UPLOAD = "document_upload"


class TaskState(StrEnum):
    OPEN = "open"
    COMPLETED = "completed"
    WITHDRAWN = "withdrawn"


class ChangeSource(StrEnum):
    """Where a change of a client came from, for its history."""

    IMPORT = "import"
    RESYNC = "resync"
    REVIEWER = "reviewer"
    STAFF = "staff"


class SyncMode(StrEnum):
    """What a sync of a directory asks XPM for: everything, or what changed since the last one."""

    FULL = "full"
    INCREMENTAL = "incremental"


class SyncState(StrEnum):
    """How a sync of a directory stands. `held`: applied, save that a sharp drop in records waits for a person."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    HELD = "held"


class ActorKind(StrEnum):
    """Who did an audited thing."""

    SYSTEM = "system"
    STAFF = "staff"
    OPERATOR = "operator"
