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
from handlers.fields import Line, Text, validated
from portal_db.clients import clients
from portal_db.clients.clients import FieldValue
from portal_db.clients.history import CLIENT, By, Change, note
from portal_db.database import Database
from portal_db.states import ChangeSource, ClientKind, ClientType, EntityType, FieldSource, Subscription
from portal_db.tables import Client
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


_LINE = TypeAdapter(Annotated[Line, Field(max_length=200)])
_NAME = TypeAdapter(Annotated[Line, Field(max_length=LONGEST_NAME)])
#: How each field is checked; a field that is emptied is checked only where it must not be.
PERSON: Mapping[str, Callable[[str], str]] = {
    "name": lambda text: validated(TypeAdapter(Annotated[Line, AfterValidator(_persons_name)]), text, "name"),
    "title": lambda text: validated(_LINE, text, "title"),
    "email": _email,
    "phone": lambda text: validated(_LINE, text, "phone"),
    "address": lambda text: _address(text[:1000]),
    "date_of_birth": lambda text: validated(TypeAdapter(Annotated[Text, AfterValidator(_day)]), text, "date_of_birth"),
    "gender": lambda text: validated(_LINE, text, "gender"),
}
ENTITY: Mapping[str, Callable[[str], str]] = {
    "name": lambda text: validated(_NAME, text, "name"),
    "type": lambda text: validated(TypeAdapter(EntityType), text, "type").value,
}
REQUIRED = frozenset({"name", "type"})
#: What an individual is listed as, and the product they have.
LISTED = {"client_type": ClientType, "subscription": Subscription}


def fields_of(kind: ClientKind) -> Mapping[str, Callable[[str], str]]:
    """The fields that may be edited, in the order in which they are shown."""
    return PERSON if kind is ClientKind.INDIVIDUAL else ENTITY


def edit(
    database: Database, caller: Caller, client_id: UUID, typed: Mapping[str, str], *, to_xpm: Collection[str] = ()
) -> None:
    """Change the fields whose value differs from the present one.

    Args:
        to_xpm: fields that XPM decides about again: the next import may overwrite them.

    Raises:
        RequestRefused: the client is not found or not visible to the caller, who may not import, or a value does not fit.
    """
    caller.require(Scope.IMPORT)
    with database.write() as tx:
        client = require_client(tx, caller, client_id).client
        known = clients.fields(tx, client_id)
        checks = fields_of(client.kind)
        given = {name: typed[name].replace("\r\n", "\n").strip() for name in checks if name in typed}
        new = {
            name: checks[name](value) if value or name in REQUIRED else ""
            for name, value in given.items()
            if value != (known[name].value if name in known else "")
        }
        by = By(caller.practice_id, ChangeSource.STAFF, caller.staff_id)
        values = [FieldValue(name, value, FieldSource.STAFF, is_override=True) for name, value in new.items()]
        clients.put_fields(tx, client_id, values, as_of=database_time(tx.session), by=by)
        if "name" in new:
            clients.set_names(tx, {client_id: _name_columns(client, new["name"])})
        if "type" in new:
            clients.set_entity_types(tx, {client_id: EntityType(new["type"])})
        listed = _listed(client, typed) if client.kind is ClientKind.INDIVIDUAL else {}
        if listed:
            note(
                tx,
                by,
                [Change(client_id, CLIENT, each, getattr(client, each), value) for each, value in listed.items()],
            )
            clients.set_columns(tx, client_id, listed)
        if new or listed:
            Act.of_staff(caller).audit(
                tx, "client.edit", "client", client_id, caller.practice_id, after=", ".join([*new, *listed])
            )
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


def _listed(client: Client, typed: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for name, values in LISTED.items():
        if name in typed and typed[name] != getattr(client, name):
            if typed[name] not in list(values):
                raise refusals.BAD_FIELD(field=name, reason="is not known here")
            found[name] = typed[name]
    return found
