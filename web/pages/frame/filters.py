"""The filters of templates: states and kinds in staff's own words, and how values are written (`values.py`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import segno
from markupsafe import Markup

from handlers.access.origin import browser_name
from handlers.clients.queries import Invitation
from portal_db.clients.client_queries import ClientEntry
from portal_db.clients.history import HistoryEntry
from portal_db.clients.team import Connection, CoOwnership
from portal_db.states import ClientType, EntityType, Role, Subscription
from web.pages.frame import values

IMPORT_STATES = {
    "rejected": "Not imported",
    "nothing_imported": "Not imported",
    "already_being_imported": "Already being imported",
    "already_linked": "Already a client",
    "not_sent": "Not sent",
}
JOB_STATES = {"running": "In progress", "succeeded": "Done", "dead": "Failed"}
REVIEW_STATES = {"pending": "Awaiting review", "superseded": "No longer needs review"}
SIGN_IN_EVENTS = {
    "reset_requested": "Asked for a link to set a new password",
    "password_set_by_link": "Set a password by a link",
    "password_set_by_operator": "Password set by an operator",
    "own_password_wrong": "Wrong present password, while signed in",
    "second_factor_failed": "Wrong code of the second factor",
    "second_factor_reset": "Second factor reset for them",
    "key_refused": "API key refused",
}
#: How whoever receives a task hears of it.
TOLD = {
    "pending": "The email is on its way.",
    "sending": "The email is on its way.",
    "sent": "They were told by email.",
    "refused": "The email could not be delivered; they see the task when they sign in.",
    "unknown": "The email may not have arrived; they see the task when they sign in.",
    "cancelled": "No email was sent.",
    "at_sign_in": "They see it when they sign in.",
    "not_active": "They see it once they have activated their account.",
    "no_login": "Whoever receives it has no login, so nobody can open it. Import them as a client of their own.",
}
#: Why a value that XPM has was not written.
CONFLICTS = {
    "email_taken": "This email address is already in use in the portal, so the previous address was kept.",
    "email_ambiguous": "XPM holds two addresses, so the previous address was kept.",
}
#: Fields of an XPM record whose value may be unreadable; the others are called what they are.
XPM_FIELDS = {
    "dateOfBirth": "date of birth",
    "isArchived": "archived or not",
    "isDeleted": "deleted or not",
    "isProspect": "prospect or not",
    "groups": "client groups",
    "groups.uuid": "a client group",
    "groups.name": "the name of a client group",
    "relationships": "relationships",
    "relationships.relatedClient": "a related client",
    "relationships.uuid": "the identifier of a relationship",
    "relationships.type": "a relationship without a type",
    "relationships.relatedClient.uuid": "a relationship to an unknown client",
    "relationships.relatedClient.name": "the name of a related client",
    "relationships.numberOfShares": "number of shares in a relationship",
    "relationships.percentage": "percentage in a relationship",
    "relationships.startDate": "start date of a relationship",
    "relationships.endDate": "end date of a relationship",
}
#: Why a record of XPM cannot be imported.
BLOCKED = {
    "already_linked": "Already a client of your practice",
    "already_being_imported": "Being imported",
    "xpm_client_archived": "Archived in XPM",
}
#: How a state looks; the others look `plain`.
STATES_BY_TONE = {
    "good": ("succeeded", "imported", "linked", "completed", "active"),
    "note": ("pending", "open", "accepted", "running", "in_progress", "invited", "being_sent"),
    "warn": ("partly_succeeded", "waiting", "unknown"),
    "bad": ("not_delivered", "not_sent", "nothing_imported", "rejected", "failed", "dead"),
}
TONES = {state: tone for tone, states in STATES_BY_TONE.items() for state in states}
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
    "client_type": "Client type",
    "subscription": "Subscription type",
}
SOURCES = {"xpm": "Xero Practice Manager", "import": "Import window", "staff": "Your firm", "client": "The client"}
#: How a change to a client came about.
CHANGE_SOURCES = {"import": "import", "resync": "scheduled sync", "reviewer": "review", "staff": "edit"}
#: What each role may do, where one is chosen.
ROLES = {
    Role.OWNER: "Owner: everything",
    Role.ACCOUNT_ADMIN: "Account admin: everything except owners",
    Role.PARTNER: "Partner: imports, and sees the clients assigned to them",
    Role.MANAGER: "Manager: imports, and sees the clients assigned to them",
    Role.BASIC: "Basic: sees the clients assigned to them",
}
AMBIGUITIES = {
    "unknown_label": "The portal doesn't recognise this relationship.",
    "told_both_ways": "XPM records this relationship in both directions.",
    "types_do_not_fit": "This relationship is unusual between these types of client.",
    "to_itself": "XPM relates this client to itself, which is probably a slip. Correct it in XPM.",
}


def _words(table: Mapping[str, str] | None = None) -> Callable[[Any], str]:
    """A filter that words a value by a table; what the table lacks reads as it is written: `in_progress`, In progress."""
    known = table or {}
    return lambda value: known.get(str(value)) or str(value).replace("_", " ").capitalize()


def in_field_order(fields: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """A client's fields as a person would list them."""
    order = list(FIELDS)
    return sorted(fields.items(), key=lambda item: order.index(item[0]) if item[0] in order else len(order))


def reviewed_item(about_name: str) -> tuple[str, str]:
    """The other side's name and the relationship of an item that the history names as “Spouse: Stuart Jardine”."""
    label, _, name = about_name.partition(": ")
    return (name, values.relationship(label[:1].lower() + label[1:])) if name else (about_name, "")


def changed_by(entry: HistoryEntry, staff_id: UUID) -> str:
    """Who made a change and how: “you (review)”, “Kim Lee (import)”, “the portal (scheduled sync)”."""
    who = "you" if entry.staff_id == staff_id else entry.staff_name or "the portal"
    how = CHANGE_SOURCES.get(entry.change.source)
    return f"{who} ({how})" if how else who


def invitation(entry: ClientEntry | CoOwnership) -> Invitation | None:
    """The invitation of a client's or co-owner's login; `None` for an entity, which has no login."""
    return Invitation.of(entry.login, entry.email) if entry.login else None


def connection_options(connections: Sequence[Connection]) -> list[tuple[str, str]]:
    """An entity's connections, as options of a select."""
    return [(str(found.member.id), f"{found.member.name}, {found.member.relationship}") for found in connections]


def tone(state: Any) -> str:
    return TONES.get(str(state), "plain")


def qr_code(address: str) -> Markup:
    """A QR code as part of the page. Dark on light in dark mode too: not every app reads it inverted."""
    drawn = segno.make(address, error="m", micro=False).svg_inline(
        omitsize=True,  # a viewBox instead, so that the style sheet's size shows all of it
        border=4,
        dark="#000",
        light="#fff",
        svgclass="qr",
        lineclass="",
        title="QR code for your authenticator app",
    )
    return Markup(drawn)  # noqa: S704 -- made of numbers by segno; the title is ours


def icon(name: str) -> Markup:
    """An icon of the icon sheet, hidden from screen readers: the words next to it say the same."""
    return Markup('<svg class="icon" aria-hidden="true" focusable="false"><use href="#icon-{}"></use></svg>').format(
        name
    )


FILTERS: dict[str, Callable[..., Any]] = {
    "date_time": values.date_time,
    "day": values.day,
    "date": values.calendar_day,
    "qr_code": qr_code,
    "duration": values.duration,
    "number": values.number,
    "percentage": values.percentage,
    "shares": values.shares,
    "field_value": values.field_value,
    "tone": tone,
    "in_field_order": in_field_order,
    "connection_options": connection_options,
    "invitation": invitation,
    "relationship_word": values.relationship,
    "reviewed_item": reviewed_item,
    "word": _words(),
    "ambiguity_word": _words(AMBIGUITIES),
    "import_state": _words(IMPORT_STATES),
    "job_state": _words(JOB_STATES),
    "field_word": _words(FIELDS),
    "source_word": _words(SOURCES),
    "blocked_word": _words(BLOCKED),
    "browser_name": browser_name,
    "changed_by": changed_by,
    "sign_in_event": _words(SIGN_IN_EVENTS),
    "review_word": _words(REVIEW_STATES),
    "conflict_word": _words(CONFLICTS),
    "told_word": _words(TOLD),
    "xpm_field_word": _words(XPM_FIELDS),
}


#: Options of selects and radio buttons, by their names in templates.
CHOICES = {
    "entity_types": [(item.value, item.value) for item in EntityType],
    "client_types": [(item.value, item.value) for item in ClientType],
    "subscriptions": [(item.value, item.value) for item in Subscription],
    "roles": [(item.value, ROLES[item]) for item in Role],
}
