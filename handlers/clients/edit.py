"""What a firm changes of a client by hand. A value typed here is the firm's: imports do not overwrite it, until somebody
lets XPM decide again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, Field, TypeAdapter

from handlers import refusals
from handlers.access.act import Act
from handlers.access.caller import Caller, Scope
from handlers.clients.queries import require_client
from handlers.directory.person_names import LONGEST_NAME, name_columns
from handlers.email import addresses, greeting
from handlers.fields import SHORT_LINE, Line, Text, validated
from portal_db.clients import clients
from portal_db.clients.clients import FieldValue
from portal_db.clients.history import CLIENT, By, Change, note
from portal_db.database import Database
from portal_db.states import ChangeSource, ClientKind, ClientType, EntityType, FieldSource, Subscription
from portal_db.tables import Client, ClientField
from portal_db.types import database_time
from xpm.records import XpmClient

_NOBODY = UUID(int=0)


def _persons_name(name: str) -> str:
    if not greeting.fits(name):
        raise ValueError(
            f"may have up to {greeting.LONGEST} characters and no web address; put a space after a full stop"
        )
    return name


def _day(text: str) -> str:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a date, such as 1990-12-31") from None
    if not 1880 <= found.year <= 2199:
        raise ValueError("must be a date from 1880 to 2199")
    return found.isoformat()


def _address(text: str) -> str:
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())


def _email(text: str) -> str:
    return addresses.normalise_requested(text)[0]


_NAME = TypeAdapter(Annotated[Line, Field(max_length=LONGEST_NAME)])
#: How each field is checked; a field that is emptied is checked only where it must not be.
PERSON: Mapping[str, Callable[[str], str]] = {
    "name": lambda text: validated(TypeAdapter(Annotated[Line, AfterValidator(_persons_name)]), text, "name"),
    "title": lambda text: validated(SHORT_LINE, text, "title"),
    "email": _email,
    "phone": lambda text: validated(SHORT_LINE, text, "phone"),
    "address": lambda text: _address(text[:1000]),
    "date_of_birth": lambda text: validated(TypeAdapter(Annotated[Text, AfterValidator(_day)]), text, "date_of_birth"),
    "gender": lambda text: validated(SHORT_LINE, text, "gender"),
}
ENTITY: Mapping[str, Callable[[str], str]] = {
    "name": lambda text: validated(_NAME, text, "name"),
    "type": lambda text: validated(TypeAdapter(EntityType), text, "type").value,
}
#: What an individual is listed as, and the product they have.
LISTED: Mapping[str, Callable[[str], str]] = {
    "client_type": lambda text: validated(TypeAdapter(ClientType), text, "client_type").value,
    "subscription": lambda text: validated(TypeAdapter(Subscription), text, "subscription").value,
}
REQUIRED = frozenset({"name", "type", *LISTED})


def fields_of(kind: ClientKind) -> Mapping[str, Callable[[str], str]]:
    """The fields that may be edited, in the order in which they are shown."""
    return PERSON if kind is ClientKind.INDIVIDUAL else ENTITY


def values_of(client: Client, known: Mapping[str, ClientField]) -> dict[str, str]:
    """What may be edited of a client, with its present values, in the order in which it is shown."""
    fields = {name: known[name].value if name in known else "" for name in fields_of(client.kind)}
    is_individual = client.kind is ClientKind.INDIVIDUAL
    return fields | ({name: getattr(client, name) for name in LISTED} if is_individual else {})


def edit(
    database: Database,
    caller: Caller,
    client_id: UUID,
    typed: Mapping[str, str],
    shown: Mapping[str, str],
    *,
    to_xpm: Collection[str] = (),
) -> None:
    """Change the fields whose value differs from the one that was shown.

    Args:
        shown: the values of the fields as the form showed them, if it says so. What nobody changed in it is left as it is.
        to_xpm: fields that XPM decides about again: the next import may overwrite them.

    Raises:
        RequestRefused: the client is not found or not visible to the caller, who may not import; a value does not fit; or
            a field to be changed is not as it was shown any more.
    """
    caller.require(Scope.IMPORT)
    with database.write() as tx:
        client = require_client(tx, caller, client_id).client
        known = clients.fields(tx, client_id)
        checks = {**fields_of(client.kind), **LISTED}
        changed = _changed(typed, shown, values_of(client, known))
        new = {name: checks[name](value) if value or name in REQUIRED else "" for name, value in changed.items()}
        listed = {name: value for name, value in new.items() if name in LISTED}
        by = By(caller.practice_id, ChangeSource.STAFF, caller.staff_id)
        values = [
            FieldValue(name, value, FieldSource.STAFF, is_override=True)
            for name, value in new.items()
            if name not in listed
        ]
        clients.put_fields(tx, client_id, values, as_of=database_time(tx.session), by=by)
        if "name" in new:
            clients.set_names(tx, {client_id: _name_columns(client, new["name"])})
        if "type" in new:
            clients.set_entity_types(tx, {client_id: EntityType(new["type"])})
        if listed:
            note(
                tx,
                by,
                [Change(client_id, CLIENT, each, getattr(client, each), value) for each, value in listed.items()],
            )
            clients.set_columns(tx, client_id, listed)
        if new:
            Act.of_staff(caller).audit(tx, "client.edit", "client", client_id, caller.practice_id, after=", ".join(new))
        for field in to_xpm:
            if field in checks and clients.clear_override(tx, client_id, field):
                Act.of_staff(caller).audit(
                    tx, "client.let_xpm_decide", "client", client_id, caller.practice_id, after=field
                )


def archive(database: Database, caller: Caller, client_id: UUID, *, is_archived: bool) -> None:
    """Archive a client, or restore it. An archived one is not in the list, is not invited and gets no tasks.

    Raises:
        RequestRefused: the client is not found or not visible to the caller, who may not import.
    """
    caller.require(Scope.IMPORT)
    with database.write() as tx:
        require_client(tx, caller, client_id)
        if clients.set_archived(tx, client_id, is_archived=is_archived):
            before, after = (None, "yes") if is_archived else ("yes", None)
            by = By(caller.practice_id, ChangeSource.STAFF, caller.staff_id)
            note(tx, by, [Change(client_id, CLIENT, "archived", before, after)])
            action = "client.archive" if is_archived else "client.restore"
            Act.of_staff(caller).audit(tx, action, "client", client_id, caller.practice_id)


def _name_columns(client: Client, name: str) -> Mapping[str, Any]:
    """The first name goes on to be known where the new name begins with it."""
    return name_columns(name, XpmClient(_NOBODY, name, first_name=client.given_name), client.kind)


def _changed(typed: Mapping[str, str], shown: Mapping[str, str], present: Mapping[str, str]) -> dict[str, str]:
    """The values to be written: neither as they were shown nor as they are now.

    Raises:
        RequestRefused: `field_changed`.
    """
    found = {}
    for name in present:
        if name not in typed:
            continue
        value, before, now = (_plain(each) for each in (typed[name], shown.get(name, present[name]), present[name]))
        if value in (before, now):
            continue
        if before != now:
            raise refusals.FIELD_CHANGED(field=name, what=name.replace("_", " "))
        found[name] = value
    return found


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").strip()
