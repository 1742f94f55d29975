"""An XPM record as the directory stores it: the typed record as JSON, its hash, and the columns that it is found by."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter

from config.folding import code_key, name_key
from xpm.records import XpmClient

adapter = TypeAdapter(XpmClient)

#: The length of the structure.
MAX_STRUCTURE = 200


def columns_of(record: XpmClient) -> dict[str, Any]:
    """The columns of `directory_records` that depend on the record alone."""
    return {
        "record": adapter.dump_python(record, mode="json", exclude=_unused(record)),
        "content_hash": content_hash(record),
        "name_key": name_key(record.name),
        "code_key": code_key(record.client_code),
        "structure": record.business_structure[:MAX_STRUCTURE] if record.business_structure else None,
        "is_archived": record.is_archived,
        "is_deleted": record.is_deleted,
    }


def read_record(record: Mapping[str, Any]) -> XpmClient:
    """The typed record from a row's JSON."""
    return adapter.validate_python(record)


def content_hash(record: XpmClient) -> str:
    """A hash of the content that does not depend on the order of groups and relationships, which XPM does not promise."""
    ordered = replace(
        record,
        groups=tuple(sorted(record.groups, key=lambda group: group.uuid)),
        relationships=tuple(sorted(record.relationships, key=repr)),
    )
    return hashlib.sha256(adapter.dump_json(ordered, exclude=_unused(ordered))).hexdigest()


def _unused(record: XpmClient) -> dict[str, Any]:
    """Omissions and a code are stored and hashed only where there are any, so that other records keep the hash that they
    had."""
    unused: dict[str, Any] = {name: True for name in ("omissions", "client_code") if not getattr(record, name)}
    rows = {place: {"omissions"} for place, row in enumerate(record.relationships) if not row.omissions}
    return unused | {"relationships": rows} if rows else unused
