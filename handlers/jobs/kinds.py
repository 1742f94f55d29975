"""The table of job kinds: the part that each plays in its import, its lane, deadline, patience, back-off cap and set size.

Policy only. The functions that do the work are bound to the kinds in `handlers.registry`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from portal_db.states import Lane


class JobKind(StrEnum):
    """The name of each kind, as stored with its jobs."""

    VALIDATE_IMPORT = "validate_import"
    CREATE_CLIENT = "create_client"
    CREATE_ENTITY = "create_entity"
    IMPORT_DETAILS = "import_details"
    IMPORT_RELATIONSHIPS = "import_relationships"
    SEND_WELCOME_EMAIL = "send_welcome_email"
    INVITE_CO_OWNER = "invite_co_owner"
    SEND_TASK_EMAIL = "send_task_email"
    SEND_RECONNECT_NOTICE = "send_reconnect_notice"
    SEND_PASSWORD_RESET = "send_password_reset"  # noqa: S105 -- the name of a kind
    SEND_SECURITY_NOTICE = "send_security_notice"
    LEAVE_XERO = "leave_xero"
    SYNC_DIRECTORY = "sync_directory"
    RESYNC_RELATIONSHIPS = "resync_relationships"
    DELIVER_WEBHOOK = "deliver_webhook"


class Part(StrEnum):
    """What a job's end means for its import."""

    #: Until these succeed there is no client; one that fails ends the import.
    SPINE = "spine"
    #: These add to a client that exists; one that fails leaves the import partly succeeded.
    BRANCH = "branch"
    #: Belongs to no import.
    STANDALONE = "standalone"


@dataclass(frozen=True)
class Kind:
    """A kind of job and how it is run. `lane` is `None` if the import decides it; up to `set_size` jobs of a practice run at
    once. A transient failure is retried until `patience_hours` after the first of a row: mail servers ask for days (RFC 5321
    §4.5.4.1), and an outage of an evening must not cost a batch."""

    name: str
    part: Part
    lane: Lane | None
    deadline_seconds: int
    patience_hours: int
    backoff_cap_seconds: float
    set_size: int

    def lane_for(self, *, interactive: bool) -> Lane:
        return self.lane or (Lane.INTERACTIVE if interactive else Lane.IMPORT)


# fmt: off
KINDS: dict[str, Kind] = {kind.name: kind for kind in (
    #    name                           part             lane       deadline s  patience h  back-off cap s  set size
    Kind(JobKind.VALIDATE_IMPORT,       Part.SPINE,      None,              60,         24,           600.0,         50),
    Kind(JobKind.CREATE_CLIENT,         Part.SPINE,      None,              30,         24,           300.0,         50),
    Kind(JobKind.CREATE_ENTITY,         Part.SPINE,      None,              30,         24,           300.0,         50),
    Kind(JobKind.IMPORT_DETAILS,        Part.BRANCH,     None,              60,         24,           600.0,         50),
    Kind(JobKind.IMPORT_RELATIONSHIPS,  Part.BRANCH,     None,              60,         24,           600.0,         50),
    Kind(JobKind.SEND_WELCOME_EMAIL,    Part.BRANCH,     Lane.EMAIL,        90,         48,          1800.0,         20),
    Kind(JobKind.INVITE_CO_OWNER,       Part.STANDALONE, Lane.EMAIL,        90,         48,          1800.0,          1),
    Kind(JobKind.SEND_TASK_EMAIL,       Part.STANDALONE, Lane.EMAIL,        90,         48,          1800.0,         20),
    Kind(JobKind.SEND_RECONNECT_NOTICE, Part.STANDALONE, Lane.EMAIL,        90,         48,          1800.0,          1),
    Kind(JobKind.SEND_PASSWORD_RESET,   Part.STANDALONE, Lane.INTERACTIVE,  90,          2,           300.0,          1),
    Kind(JobKind.SEND_SECURITY_NOTICE,  Part.STANDALONE, Lane.EMAIL,        90,         48,          1800.0,          1),
    Kind(JobKind.LEAVE_XERO,            Part.STANDALONE, Lane.RESYNC,       90,         72,          3600.0,          1),
    Kind(JobKind.SYNC_DIRECTORY,        Part.STANDALONE, Lane.RESYNC,      900,         24,          1800.0,          1),
    Kind(JobKind.RESYNC_RELATIONSHIPS,  Part.STANDALONE, Lane.RESYNC,      900,         24,          1800.0,          1),
    Kind(JobKind.DELIVER_WEBHOOK,       Part.STANDALONE, Lane.WEBHOOKS,     60,         75,          3600.0,          1),
)}
# fmt: on


def part_of(kind_name: str) -> Part | None:
    """What a job's end means for its import; `None` for a kind that this version does not know."""
    kind = KINDS.get(kind_name)
    return kind.part if kind is not None else None
