"""The simulator's true data, one JSON object a line, for tests that must not rely on our tables.

Raw facts only: the reader decides which of them are a person, a duplicate or importable. Keys are the field names of
`xpm.records.XpmClient`, plus `tenant_id`, `position` and `modified`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from xpm.records import Address
from xpm.simulator.practice.model import Client, Practice, Relationship


def truth_line(client: Client, practice: Practice, tenant_id: str) -> str:
    """One client as a line of JSON: uuids and dates as ISO text, percentages as decimal text, `None` as null."""
    facts = {"tenant_id": tenant_id, **_facts(client)}
    facts["address"], facts["postal_address"] = _facts(client.address), _facts(client.postal_address)
    facts["groups"] = [{"uuid": uuid, "name": practice.groups[uuid].name} for uuid in client.groups]
    facts["relationships"] = [{**_facts(row), "related_name": practice.name_of(row)} for row in client.relationships]
    return json.dumps(facts, ensure_ascii=False, default=_plain) + "\n"


def _facts(record: Client | Relationship | Address) -> dict[str, object]:
    """The fields of a record as they are; `dataclasses.asdict` would copy each value deeply, ten times slower."""
    return {name: getattr(record, name) for name in record.__slots__}


def _plain(value: object) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, UUID | Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in a truth file.")


def truth_lines(practices: Mapping[str, Practice]) -> Iterator[str]:
    """The lines of the truth for practices by tenant id, each ending in a newline, in list order."""
    for tenant_id, practice in practices.items():
        for client in list(practice.clients.values()):
            yield truth_line(client, practice, tenant_id)


def write_truth(practices: Mapping[str, Practice], path: Path) -> None:
    """Write the truth file, UTF-8 JSON lines, replacing an earlier one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        file.writelines(truth_lines(practices))
