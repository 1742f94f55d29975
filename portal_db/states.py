"""The enumerations of the record: states, lanes, roles and kinds, each with the values that a column may hold."""

from __future__ import annotations

from enum import StrEnum


class ImportState(StrEnum):
    """The state of an import: three open states and five closed ones."""

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
    """The state of a job. `dead` is a dead letter: it stays until somebody requeues or dismisses it."""

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
    """A priority class with its own Redis queue, highest first; `email` and `webhooks` have their own ring limits."""

    INTERACTIVE = "interactive"
    IMPORT = "import"
    RESYNC = "resync"
    EMAIL = "email"
    WEBHOOKS = "webhooks"


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
    """The role of a staff member. Basic staff may only view; all others may import (b. S31)."""

    OWNER = "owner"
    ACCOUNT_ADMIN = "account_admin"
    PARTNER = "partner"
    MANAGER = "manager"
    BASIC = "basic"

    @property
    def may_import(self) -> bool:
        return self in (Role.OWNER, Role.ACCOUNT_ADMIN, Role.PARTNER, Role.MANAGER)

    @property
    def may_manage(self) -> bool:
        """Whether the role manages the practice (API keys, webhooks) and sees all its clients (b.7)."""
        return self in (Role.OWNER, Role.ACCOUNT_ADMIN)


class OperatorRole(StrEnum):
    """The role of an operator: may look, may mend as well, or may do everything."""

    WATCHER = "watcher"
    OPERATOR = "operator"
    ADMIN = "admin"


class LoginKind(StrEnum):
    CLIENT = "client"
    STAFF = "staff"
    OPERATOR = "operator"


class ConnectionState(StrEnum):
    CONNECTED = "connected"
    BROKEN = "broken"
    DISCONNECTED = "disconnected"


class EmailState(StrEnum):
    """The state of an email. `sending` is an intent; after it the email is sent, known not to be sent, or unknown."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"


class ReviewState(StrEnum):
    """The state of a relationship in the review queue (b.18 to b.27)."""

    PENDING = "pending"
    IGNORED = "ignored"
    IMPORTED = "imported"
    LINKED = "linked"
    SUPERSEDED = "superseded"


class FieldSource(StrEnum):
    """Where the value of a client's field came from."""

    XPM = "xpm"
    IMPORT = "import"
    STAFF = "staff"
    CLIENT = "client"


class ConnectionAccess(StrEnum):
    """The access that a team member who acts for an entity has to its portal."""

    NONE = "none"
    GUEST = "guest"


class TaskKind(StrEnum):
    """What a client is asked to do."""

    TO_DO = "to_do"
    ACKNOWLEDGEMENT = "acknowledgement"
    DOCUMENT_UPLOAD = "document_upload"


class TaskState(StrEnum):
    OPEN = "open"
    COMPLETED = "completed"
    WITHDRAWN = "withdrawn"


class ChangeSource(StrEnum):
    """Where a change in a client's history came from."""

    IMPORT = "import"
    RESYNC = "resync"
    REVIEWER = "reviewer"
    STAFF = "staff"


class SyncMode(StrEnum):
    """What a sync of a directory requests from XPM: everything, or what changed since the last sync."""

    FULL = "full"
    INCREMENTAL = "incremental"


class SyncState(StrEnum):
    """The state of a directory's sync. `held`: applied, except that a sharp drop in records waits for a person."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    HELD = "held"


class BulkAction(StrEnum):
    """What a bulk act does to each dead letter."""

    REQUEUE = "requeue"
    DISMISS = "dismiss"


class BulkState(StrEnum):
    """The state of a bulk act. `stopped`: an operator stopped it, and may resume it."""

    RUNNING = "running"
    STOPPED = "stopped"
    DONE = "done"


class ActorKind(StrEnum):
    """Who did an audited thing."""

    SYSTEM = "system"
    STAFF = "staff"
    OPERATOR = "operator"
