"""The windows in which an individual or an entity is added from XPM: how they are filled in, and what they request.

A value that was left as XPM has it is not requested, so XPM keeps updating it; a value that somebody changed is theirs.
"""

from __future__ import annotations

from uuid import UUID

from handlers.access.caller import Caller
from handlers.directory.person_names import name_in_portal
from handlers.directory.search import SearchResult
from handlers.imports.request import ImportRequest, parse
from portal_db.states import ClientKind, ClientType, Subscription
from portal_db.tables import Import
from web.http.problems import Fault
from web.pages.frame.forms import FormErrors, Posted

#: The fields of a window by name, as text.
Typed = dict[str, str]

SHARED = ("kind", "name", "xpm_name")
FIELDS = {
    ClientKind.ENTITY: (*SHARED, "entity_type", "xpm_entity_type"),
    ClientKind.INDIVIDUAL: (*SHARED, "email", "xpm_email", "client_type", "subscription", "send_welcome_email"),
}
#: Fields that XPM keeps updating until somebody changes them.
ADJUSTABLE = ("name", "entity_type", "email")
#: What to say of a field that is empty: what is missing, and what to do.
MISSING = {
    "name": ("A name is required.", "Enter the name."),
    "email": (
        "Each client you import requires their own unique email address.",
        "Without one the client can't be imported.",
    ),
    "entity_type": ("An entity type is required.", "Choose one."),
    "client_type": ("A client type is required.", "Choose Personal or Business."),
    "subscription": ("A subscription type is required.", "Choose Starter or Pro."),
    "send_welcome_email": ("Choose whether to send a welcome email.", "Choose Yes or No."),
}


def prefilled(found: SearchResult, kind: ClientKind) -> Typed:
    """A window as it opens. Whether to send a welcome email is left to the person who adds the client."""
    record = found.record
    name = name_in_portal(record, kind)
    shared = {"kind": kind.value, "name": name, "xpm_name": name}
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
    """The window of a rejected import, with what was requested."""
    before: Typed = prefilled(found, row.kind) if found else dict.fromkeys(FIELDS[row.kind], "") | {"kind": row.kind}
    requested: dict[str, str] = {
        name: str(value)
        for name in ("name", "email", "entity_type", "client_type", "subscription")
        if name in before and (value := getattr(row, name)) is not None
    }
    if row.kind is ClientKind.INDIVIDUAL:
        requested["send_welcome_email"] = "yes" if row.send_welcome_email else "no"
    return {**before, **requested}


def typed(posted: Posted) -> Typed:
    """What a window sent; an unknown kind counts as an entity."""
    kind = ClientKind.INDIVIDUAL if posted.text("kind") == ClientKind.INDIVIDUAL else ClientKind.ENTITY
    return posted.texts(*FIELDS[kind]) | {"kind": kind.value}


def missing(given: Typed) -> FormErrors:
    """The required fields that are empty."""
    return FormErrors(
        {
            name: Fault(code="bad_request", field=name, message=message, remedy=remedy)
            for name, (message, remedy) in MISSING.items()
            if name in given and not given[name]
        }
    )


def wishes(given: Typed) -> dict[str, object]:
    """What is requested: `None` for a value that was left as XPM has it."""
    found: dict[str, object] = {
        name: None if name in ADJUSTABLE and value == given.get(f"xpm_{name}") else value or None
        for name, value in given.items()
        if not name.startswith("xpm_") and name != "kind"
    }
    if "send_welcome_email" in given:
        found["send_welcome_email"] = given["send_welcome_email"] == "yes"
    return found


def request(given: Typed, caller: Caller, xpm_uuid: UUID, key: str) -> ImportRequest:
    """The request to add a record. Importing its details and relationships is a next step on the success page.

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
