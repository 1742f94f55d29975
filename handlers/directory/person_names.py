"""What people are called in the portal: “Gwen Mitchell” in lists and titles, “Gwen” when they are addressed.

XPM's name of a record may be “Mitchell, Gwen”, beside its first and last name. A name that staff typed stays as they typed
it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from config.folding import fold_name, name_key
from portal_db.states import ClientKind
from xpm.records import XpmClient

#: The length of `clients.name` and `clients.given_name`.
LONGEST_NAME = 500


def name_in_portal(record: XpmClient, kind: ClientKind) -> str:
    """A record's name as the portal shows it: a person's with the first name first, if XPM says which part is the last."""
    before, comma, after = (part.strip() for part in record.name.partition(","))
    if kind is ClientKind.INDIVIDUAL and comma and after and _is_last_name(before, record):
        return f"{after} {before}"[:LONGEST_NAME]
    return record.name[:LONGEST_NAME]


def name_columns(name: str, record: XpmClient, kind: ClientKind) -> Mapping[str, Any]:
    """The columns of `clients` that depend on the name, typed by staff or XPM's.

    given_name: how a person is addressed; none for an entity, and none if the name does not tell. sort_key: where lists put
    the name, people by their last names.
    """
    words, given = name.split(), None
    last = len((record.last_name or "").split())
    if kind is ClientKind.INDIVIDUAL and words:
        if not (0 < last < len(words) and _is_last_name(" ".join(words[-last:]), record)):
            last = 0
        if record.first_name and f"{fold_name(name)} ".startswith(f"{fold_name(record.first_name)} "):
            given = record.first_name
        elif last:
            given = " ".join(words[:-last])
        if "," not in name:
            words = words[-(last or 1) :] + words[: -(last or 1)]
    return {"name": name, "name_key": name_key(name), "given_name": given, "sort_key": name_key(*words)}


def _is_last_name(text: str, record: XpmClient) -> bool:
    return bool(record.last_name) and fold_name(text) == fold_name(record.last_name or "")
