"""Writes trees of values as XPM's XML (PascalCase in a `<Response>`) or its JSON (camelCase, flat).

`wire` decides what the trees hold, and `answers` which format an answer has.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import Enum
from functools import cache
from html import escape
from uuid import UUID

from xpm.simulator.practice.model import Client, Practice
from xpm.simulator.wire import Tree, View, client_tree

_ODD_NAMES = {
    "uuid": "UUID",
    "gstRegistered": "GSTRegistered",
    "prepareGst": "PrepareGST",
    "bankBsb": "BankBSB",
    "opt-out": "OptOut",
}
_ITEMS = {
    "clients": "Client", "contacts": "Contact", "notes": "Note", "groups": "Group", "relationships": "Relationship",
    "staffList": "Staff",
}  # fmt: skip


class Format(Enum):
    """The two formats, by their content types."""

    XML = "text/xml; charset=utf-8"
    JSON = "application/json; charset=utf-8"


@cache
def element_name(key: str) -> str:
    """The XML element for a JSON key."""
    return _ODD_NAMES.get(key) or key[0].upper() + key[1:]


def xml_of(key: str, value: object) -> str:
    """One element with its content; `None`, empty text and empty lists are self-closing."""
    name = element_name(key)
    if isinstance(value, Mapping):
        inner = "".join([xml_of(inner_key, inner_value) for inner_key, inner_value in value.items()])
    elif isinstance(value, list):
        inner = "".join([xml_of(_ITEMS[key], item) for item in value])
    else:
        inner = "" if value is None else escape(str(value), quote=False)
    return f"<{name}>{inner}</{name}>" if inner else f"<{name} />"


def json_of(value: object) -> str:
    """JSON text; decimals become numbers."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_number)


def _number(value: object) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"{type(value).__name__} has no place in an answer.")


def xml_head(status: str, api_method: str | None) -> str:
    """The beginning of an XML answer, with the legacy attribute if a method is given."""
    attribute = f' api-method="{api_method}"' if api_method else ""
    return f'<?xml version="1.0" encoding="utf-8"?>\n<Response{attribute}><Status>{status}</Status>'


def document(tree: Tree, form: Format, status: str = "OK", api_method: str | None = None) -> bytes:
    """A whole answer. The status comes first in XML and last in JSON, as on the live service."""
    if form is Format.JSON:
        return json_of({**tree, "status": status}).encode()
    inner = "".join([xml_of(key, value) for key, value in tree.items()])
    return f"{xml_head(status, api_method)}{inner}</Response>".encode()


class ClientEncoder:
    """Encodes a practice's clients, and keeps what was encoded for its big lists until a client changes."""

    def __init__(self, practice: Practice) -> None:
        self._practice = practice
        self._kept: dict[tuple[View, Format], dict[UUID, bytes]] = {}

    def encode(self, client: Client, view: View, form: Format) -> bytes:
        """One client: a `<Client>` element or a JSON object."""
        kept = self._kept.setdefault((view, form), {})
        if client.uuid not in kept:
            tree = client_tree(client, self._practice, view)
            kept[client.uuid] = (json_of(tree) if form is Format.JSON else xml_of("Client", tree)).encode()
        return kept[client.uuid]

    def join(self, clients: Iterable[Client], view: View, form: Format) -> bytes:
        """Several clients, joined as in a list."""
        separator = b"," if form is Format.JSON else b""
        return separator.join([self.encode(client, view, form) for client in clients])

    def forget(self, uuid: UUID | None) -> None:
        """Drop a client's kept encodings; everyone's for `None`, because a changed name is in related records too."""
        if uuid is None:
            self._kept.clear()
            return
        for kept in self._kept.values():
            kept.pop(uuid, None)
