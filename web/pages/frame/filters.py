"""How values are worded on pages: times in the practice's time zone, states and kinds in a person's words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, tzinfo
from typing import Any

from markupsafe import Markup

from handlers.clients.queries import Invitation
from portal_db.clients.client_queries import ClientEntry
from portal_db.clients.team import Connection
from portal_db.states import ClientType, EntityType, Subscription

KINDS = {"individual": "Individual", "entity": "Entity"}

IMPORT_STATES = {
    "accepted": "Accepted",
    "in_progress": "In progress",
    "waiting": "Waiting",
    "succeeded": "Succeeded",
    "partly_succeeded": "Partly succeeded",
    "rejected": "Not imported",
    "failed": "Failed",
    "cancelled": "Cancelled",
}
JOB_STATES = {
    "queued": "Queued",
    "running": "In progress",
    "waiting": "Waiting",
    "succeeded": "Done",
    "rejected": "Turned down",
    "dead": "Failed",
    "cancelled": "Cancelled",
    "dismissed": "Dismissed",
}
REVIEW_STATES = {"pending": "Waiting for review", "superseded": "No longer offered"}
#: Why a value that XPM has was not written.
CONFLICTS = {
    "email_taken": "Another login of the portal has this address, so the one that was there stays.",
}
#: Why a record of XPM offers no import.
BLOCKED = {
    "already_linked": "Already a client of your practice",
    "already_being_imported": "Being imported",
    "xpm_client_archived": "Archived in XPM",
}
#: How a state looks: `good`, `note`, `warn`, `bad` or `plain`.
TONES = {
    "succeeded": "good",
    "imported": "good",
    "linked": "good",
    "completed": "good",
    "pending": "note",
    "open": "note",
    "active": "good",
    "partly_succeeded": "warn",
    "waiting": "warn",
    "unknown": "warn",
    "not_delivered": "bad",
    "rejected": "bad",
    "failed": "bad",
    "dead": "bad",
    "accepted": "note",
    "queued": "plain",
    "running": "note",
    "in_progress": "note",
    "invited": "note",
    "being_sent": "note",
}
#: In the order in which they are listed.
FIELDS = {
    "title": "Title",
    "name": "Name",
    "type": "Entity type",
    "email": "Contact email",
    "phone": "Phone",
    "address": "Address",
    "date_of_birth": "Date of birth",
    "gender": "Gender",
}
SOURCES = {"xpm": "Xero Practice Manager", "import": "Import window", "staff": "Staff", "client": "Client"}
#: Where a change of a client came from.
CHANGE_SOURCES = {"import": "an import", "resync": "a scheduled re-sync", "reviewer": "review", "staff": "staff"}
ROLES = {"account_admin": "Account Admin"}
INVITATIONS = {
    "active": "Active",
    "invited": "Invited",
    "being_sent": "Being sent",
    "not_delivered": "Not delivered",
    "unknown": "Unknown",
    "not_invited": "Not invited",
}


AMBIGUITIES = {
    "unknown_label": "The portal does not know this word.",
    "told_both_ways": "XPM tells it both ways around.",
    "types_do_not_fit": "It is unusual between these kinds of clients.",
}


def when(at: datetime, zone: tzinfo = UTC) -> Markup:
    """A time as people read it, and exactly for machines."""
    local = at.astimezone(zone)
    shown = f"{local.day} {local:%b %Y, %H:%M}"
    return Markup('<time datetime="{}">{}</time>').format(at.astimezone(UTC).isoformat(timespec="seconds"), shown)


def day(at: datetime, zone: tzinfo = UTC) -> Markup:
    """The day of a time."""
    local = at.astimezone(zone)
    return date_alone(local.date())


def _from(table: Mapping[str, str]) -> Callable[[Any], str]:
    def word(value: Any) -> str:
        return table.get(str(value)) or str(value).replace("_", " ").capitalize()

    return word


def in_field_order(fields: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """A client's fields as a person would list them."""
    order = list(FIELDS)
    return sorted(fields.items(), key=lambda item: order.index(item[0]) if item[0] in order else len(order))


def date_alone(on: date) -> Markup:
    """A calendar day."""
    return Markup('<time datetime="{}">{}</time>').format(on.isoformat(), f"{on.day} {on:%b %Y}")


def invitation(entry: ClientEntry) -> Invitation | None:
    """Where a client's person stands on the way into the portal; `None` for an entity, which has no login."""
    return Invitation.of(entry.login, entry.email) if entry.login else None


def connection_options(connections: Sequence[Connection]) -> list[tuple[str, str]]:
    """The people who act for an entity, to choose from."""
    return [(str(found.member.id), f"{found.member.name}, {found.member.relationship}") for found in connections]


def tone(state: Any) -> str:
    return TONES.get(str(state), "plain")


def sign(name: str) -> Markup:
    """An icon of the icon sheet. It says nothing to screen readers: words beside it do."""
    return Markup('<svg class="icon" aria-hidden="true" focusable="false"><use href="#icon-{}"></use></svg>').format(
        name
    )


def duration(seconds: int) -> str:
    """About how long something takes."""
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = -(-seconds // size)
            return f"about {count} {name}{'' if count == 1 else 's'}"
    return "less than a minute"


FILTERS: dict[str, Callable[..., Any]] = {
    "when": when,
    "day": day,
    "duration": duration,
    "ambiguity_word": _from(AMBIGUITIES),
    "tone": tone,
    "kind_word": _from(KINDS),
    "import_state": _from(IMPORT_STATES),
    "job_state": _from(JOB_STATES),
    "field_word": _from(FIELDS),
    "in_field_order": in_field_order,
    "source_word": _from(SOURCES),
    "blocked_word": _from(BLOCKED),
    "change_word": _from(CHANGE_SOURCES),
    "role_word": _from(ROLES),
    "review_word": _from(REVIEW_STATES),
    "conflict_word": _from(CONFLICTS),
    "task_word": _from({}),
    "date": date_alone,
    "connection_options": connection_options,
    "invitation": invitation,
    "invitation_word": _from(INVITATIONS),
}


#: What may be chosen, in the templates' names.
CHOICES = {
    "entity_types": [(item.value, item.value) for item in EntityType],
    "client_types": [(item.value, item.value) for item in ClientType],
    "subscriptions": [(item.value, item.value) for item in Subscription],
}
