"""Answers decoded as the client does it: one record, a list, and an XML record to put things into."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from tests.xpm.client.encoding import CONTENT_TYPES, FORMATS
from tests.xpm.client.upstream import ACME
from xpm.records import XpmClient
from xpm.wire import decode_client, decode_clients

both_formats = pytest.mark.parametrize("kind", FORMATS)
JSON = CONTENT_TYPES["json"]
XML = "text/xml"
SECRET = "Wyett Coyote"
GROUP = {"uuid": str(UUID(int=5)), "name": "Bloggs Family"}


def one(body: str | bytes | dict[str, Any], content_type: str | None = None) -> XpmClient:
    """A `get` answer's client; a dict is the `client` object of a JSON answer."""
    if isinstance(body, dict):
        body, content_type = json.dumps({"status": "OK", "client": body}), JSON
    raw = body.encode() if isinstance(body, str) else body
    return decode_client(content_type or XML, iter([raw]))


def many(body: str | bytes, content_type: str = XML) -> list[XpmClient]:
    return list(decode_clients(content_type, iter([body.encode() if isinstance(body, str) else body])))


def xml_client(inner: str = "") -> str:
    return (
        "<Response><Status>OK</Status><Client>"
        f"<UUID>{ACME.uuid}</UUID><Name>Acme Pty Ltd</Name>{inner}</Client></Response>"
    )
