"""Writes records as XPM would send them, in both formats; for these tests only, and unlike the simulator's writer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Literal
from xml.sax.saxutils import escape

from xpm.records import RelationshipRecord, XpmClient

Format = Literal["xml", "json"]
FORMATS: tuple[Format, ...] = ("xml", "json")
CONTENT_TYPES: Mapping[Format, str] = {"xml": "text/xml; charset=utf-8", "json": "application/json; charset=utf-8"}

_ODD_NAMES = {"uuid": "UUID"}
_ROWS = {"clients": "client", "groups": "group", "relationships": "relationship"}


def as_tree(client: XpmClient) -> dict[str, Any]:
    """A record as XPM's JSON object; `None` stands for a missing value."""
    home, post = client.address, client.postal_address
    return {
        "uuid": str(client.uuid),
        "name": client.name,
        "title": client.title,
        "gender": client.gender,
        "firstName": client.first_name,
        "lastName": client.last_name,
        "email": client.email,
        "dateOfBirth": _long_date(client.date_of_birth),
        "phone": client.phone,
        "address": home.street,
        "city": home.city,
        "region": home.region,
        "postCode": home.post_code,
        "country": home.country,
        "postalAddress": post.street,
        "postalCity": post.city,
        "postalRegion": post.region,
        "postalPostCode": post.post_code,
        "postalCountry": post.country,
        "businessStructure": client.business_structure,
        "returnType": client.return_type,
        "clientCode": client.client_code,
        "isProspect": _flag(client.is_prospect),
        "isArchived": _flag(client.is_archived),
        "isDeleted": _flag(client.is_deleted),
        "taxNumber": "******123",
        "bankAccountNumber": "00-secret",
        "type": {"name": "20th of Month", "costMarkup": "30.00"},
        "contacts": [{"uuid": "not a uuid", "name": "Somebody Else"}],
        "groups": [{"uuid": str(group.uuid), "name": group.name} for group in client.groups],
        "relationships": [_relationship(row) for row in client.relationships],
    }


def _relationship(row: RelationshipRecord) -> dict[str, Any]:
    return {
        "uuid": str(row.uuid) if row.uuid else None,
        "type": row.label,
        "relatedClient": {"uuid": str(row.related_uuid), "name": row.related_name},
        "numberOfShares": str(row.number_of_shares or 0),
        "percentage": str(row.percentage or 0),
        "startDate": row.start_date.isoformat() if row.start_date else None,
        "endDate": row.end_date.isoformat() if row.end_date else None,
    }


def encode_list(clients: Iterable[XpmClient], kind: Format, **extra: Any) -> bytes:
    """A whole list answer."""
    return encode({"status": "OK", "clients": [as_tree(client) for client in clients], **extra}, kind)


def encode_one(client: XpmClient, kind: Format, **extra: Any) -> bytes:
    """A whole `get` answer."""
    return encode({"status": "OK", "client": as_tree(client), **extra}, kind)


def encode_error(description: str, kind: Format) -> bytes:
    """XPM's own error."""
    return encode({"status": "ERROR", "errorDescription": description}, kind)


def encode(tree: dict[str, Any], kind: Format) -> bytes:
    """Any answer; the tree is in JSON's spelling."""
    if kind == "json":
        return json.dumps(tree, ensure_ascii=False).encode()
    return f'<?xml version="1.0" encoding="utf-8"?>\n{_xml("response", tree)}'.encode()


def _xml(name: str, value: Any) -> str:
    tag = _ODD_NAMES.get(name, name[:1].upper() + name[1:])
    if value in (None, "", []):
        return f"<{tag} />"
    if isinstance(value, dict):
        inner = "".join(f"\n{_xml(key, item)}" for key, item in value.items())
    elif isinstance(value, list):
        inner = "".join(f"\n  {_xml(_ROWS.get(name, 'item'), item)}" for item in value)
    else:
        inner = escape(str(value), {"\r": "&#13;"})
    return f"<{tag}>{inner}</{tag}>"


def _flag(value: bool) -> str:
    return "Yes" if value else "No"


def _long_date(value: date | None) -> str | None:
    return f"{value.isoformat()}T00:00:00" if value else None
