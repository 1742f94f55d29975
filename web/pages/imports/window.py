"""The two windows in which a record of XPM is added: what they are filled in with, and the request that comes of them.

What stays as XPM has it is not asked for as another value: only what somebody adjusted is theirs and no longer XPM's.
"""

from __future__ import annotations

from uuid import UUID

from handlers.access.caller import Caller
from handlers.directory.search import SearchResult
from handlers.imports.request import ImportRequest, parse
from portal_db.states import ClientKind, ClientType, Subscription
from portal_db.tables import Import
from web.http.problems import Fault
from web.pages.frame.forms import Faults, Posted

#: The fields of a window by name, as text.
Typed = dict[str, str]

SHARED = ("kind", "name", "xpm_name")
FIELDS = {
    ClientKind.ENTITY: (*SHARED, "entity_type", "xpm_entity_type"),
    ClientKind.INDIVIDUAL: (*SHARED, "email", "xpm_email", "client_type", "subscription", "send_welcome_email"),
}
#: Fields that are XPM's as long as nobody adjusts them.
ADJUSTABLE = ("name", "entity_type", "email")


def prefilled(found: SearchResult, kind: ClientKind) -> Typed:
    """A window as it opens. Whether to send an email is not decided for anybody."""
    record = found.record
    shared = {"kind": kind.value, "name": record.name[:500], "xpm_name": record.name[:500]}
    if kind is ClientKind.ENTITY:
        return {**shared, "entity_type": found.entity_type.value, "xpm_entity_type": found.entity_type.value}
    email = (record.email or "").strip()
    return {
        **shared,
        "email": email,
        "xpm_email": email,
        "client_type": ClientType.PERSONAL.value,
        "subscription": Subscription.STARTER.value,
        "send_welcome_email": "",
    }


def of_import(row: Import, found: SearchResult | None) -> Typed:
    """The window of an import that was turned down, with what was asked for."""
    before: Typed = prefilled(found, row.kind) if found else dict.fromkeys(FIELDS[row.kind], "") | {"kind": row.kind}
    asked = {
        "name": row.name,
        "email": row.email,
        "entity_type": row.entity_type,
        "client_type": row.client_type,
        "subscription": row.subscription,
    }
    given = {name: str(value) for name, value in asked.items() if value is not None and name in before}
    if row.kind is ClientKind.INDIVIDUAL:
        given["send_welcome_email"] = "yes" if row.send_welcome_email else "no"
    return {**before, **given}


def typed(posted: Posted) -> Typed:
    """What a window sent. Of a kind that there is not, an entity's."""
    kind = ClientKind.INDIVIDUAL if posted.text("kind") == ClientKind.INDIVIDUAL else ClientKind.ENTITY
    return {name: posted.text(name) for name in FIELDS[kind]} | {"kind": kind.value}


def missing(given: Typed) -> Faults:
    """The fields that must be filled in and are not."""
    wanted = {
        "name": ("A name is missing.", "Fill it in."),
        "email": (
            "Each client you import requires their own unique email address.",
            "Without one the client is not imported.",
        ),
        "entity_type": ("The entity type is missing.", "Choose one."),
        "client_type": ("The client type is missing.", "Choose Personal or Business."),
        "subscription": ("The subscription type is missing.", "Choose Starter or Pro."),
        "send_welcome_email": ("It is not decided whether to send a welcome email.", "Choose Yes or No."),
    }
    return Faults(
        {
            name: Fault(code="bad_request", field=name, message=message, remedy=remedy)
            for name, (message, remedy) in wanted.items()
            if name in given and not given[name]
        }
    )


def wishes(given: Typed) -> dict[str, object]:
    """What is asked for: a value that was left as XPM has it is not."""
    found: dict[str, object] = {
        name: None if name in ADJUSTABLE and value == given.get(f"xpm_{name}") else value or None
        for name, value in given.items()
        if not name.startswith("xpm_") and name != "kind"
    }
    if "send_welcome_email" in given:
        found["send_welcome_email"] = given["send_welcome_email"] == "yes"
    return found


def request(given: Typed, caller: Caller, xpm_uuid: UUID, key: str) -> ImportRequest:
    """The request to add a record. Its details and relationships are a next step, as the success message says.

    Raises:
        RequestRefused: a value does not fit.
    """
    return parse(
        {
            **wishes(given),
            "kind": given["kind"],
            "xpm_uuid": xpm_uuid,
            "practice_id": caller.practice_id,
            "requested_by": caller.staff_id,
            "request_id": key,
            "bring_details": False,
            "bring_relationships": False,
        }
    )
