"""What a demo of a simulated practice must come to, worked out from the simulator's truth file alone.

Nothing of our handlers or tables is used: the rules are written down a second time, from the documents, so that a mistake in
one of the two shows.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: Structures that are people; anything else with a name for its structure is an entity if it says so in these words.
PEOPLE = re.compile(r"individual|person|sole trader", re.IGNORECASE)
ENTITIES = re.compile(r"company|trust\b|partnership|super|smsf|joint venture", re.IGNORECASE)
#: What passes for an address here; the simulator's faulty ones have no @, no domain, or a blank in them.
ADDRESS = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")


@dataclass
class Expected:
    """The demo's figures, as the truth has them."""

    imports: Counter[str] = field(default_factory=Counter)
    rejections: Counter[str] = field(default_factory=Counter)
    clients_created: int = 0
    entities_created: int = 0
    relationships_found: int = 0
    recipients: list[str] = field(default_factory=list)


def read(path: Path) -> list[dict[str, Any]]:
    """The truth file's records, in the order of XPM's list."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return sorted(rows, key=lambda row: int(row["position"]))


def expected(rows: Iterable[dict[str, Any]]) -> Expected:
    """Import every record in list order, welcoming individuals at even places."""
    found = Expected()
    taken: set[str] = set()
    for place, row in enumerate(rows):
        person = is_person(row)
        refusal = _refusal(row, person, taken)
        if refusal is not None:
            found.imports["rejected"] += 1
            found.rejections[refusal] += 1
            continue
        found.imports["succeeded"] += 1
        found.relationships_found += len(
            {(" ".join(tie["label"].split()).casefold(), tie["related_uuid"]) for tie in row["relationships"]}
        )
        if not person:
            found.entities_created += 1
            continue
        found.clients_created += 1
        taken.add(row["email"].casefold())
        if place % 2 == 0:
            found.recipients.append(row["email"].casefold())
    return found


def is_person(row: dict[str, Any]) -> bool:
    """Which of the two windows the portal opens."""
    structure = row["business_structure"] or ""
    if PEOPLE.search(structure):
        return True
    if ENTITIES.search(structure):
        return False
    return any(row[name] for name in ("first_name", "last_name", "date_of_birth", "gender"))


def _refusal(row: dict[str, Any], person: bool, taken: set[str]) -> str | None:
    if row["is_deleted"]:
        return "xpm_client_deleted"
    if row["is_archived"]:
        return "xpm_client_archived"
    if not person:
        return None
    if not row["email"]:
        return "email_missing"
    if not ADDRESS.fullmatch(row["email"]):
        return "email_invalid"
    return "email_taken" if row["email"].casefold() in taken else None
