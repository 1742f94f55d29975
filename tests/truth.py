"""What a demo of a simulated practice must come to, worked out from the simulator's truth file alone.

Nothing of our handlers or tables is used: the rules are written down a second time, from the documents, so that a mistake in
one of the two shows. Which records are sent oddly, and how, is the simulator's own word.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from xpm.simulator.odd import with_oddity

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
    left_out: Counter[str] = field(default_factory=Counter)


def read(path: Path) -> list[dict[str, Any]]:
    """The truth file's records, in the order of XPM's list."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return sorted(rows, key=lambda row: int(row["position"]))


def expected(rows: Iterable[dict[str, Any]], odd_percent: float = 0.0) -> Expected:
    """Import every record that has a name as XPM sends it, in list order, welcoming individuals at even places."""
    found = Expected()
    taken: set[str] = set()
    sent = [as_sent(row, odd_percent) for row in rows]
    for place, row in enumerate(row for row in sent if row["name"]):
        found.left_out.update(row["left_out"])
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


def as_sent(row: dict[str, Any], odd_percent: float) -> dict[str, Any]:
    """A record as the portal has to read it when some are sent with odd values; `left_out` are the fields that it cannot."""
    tree: dict[str, Any] = {
        "name": row["name"],
        "email": row["email"],
        "dateOfBirth": row["date_of_birth"],
        "groups": list(row["groups"]),
        "relationships": [
            {"label": tie["label"], "related_uuid": tie["related_uuid"], "endDate": tie["end_date"]}
            for tie in row["relationships"]
        ],
    }
    if row["position"] % 7 == 3:  # such a record is sent without what is empty
        tree = {name: value for name, value in tree.items() if value not in (None, [])}
    odd = with_oddity(tree, UUID(row["uuid"]), odd_percent)
    left_out: list[str] = []
    born = odd.get("dateOfBirth")
    if born in ("2999-01-01", "not known"):
        left_out.append("dateOfBirth")
    ties = [tie for tie in odd.get("relationships", []) if "relatedClient" not in tie]  # type: ignore[attr-defined]
    for tie in odd.get("relationships", []):  # type: ignore[attr-defined]
        if tie.get("relatedClient") is not None:
            left_out.append("relationships.relatedClient.uuid")
        if tie.get("percentage") == "33,33":
            left_out += ["relationships.numberOfShares", "relationships.percentage"]
    return {
        **row,
        "name": odd["name"],
        "email": _email_of(str(odd.get("email") or "")),
        "date_of_birth": None if "dateOfBirth" in left_out or born == "1900-01-01" else born,
        "relationships": ties,
        "left_out": left_out,
    }


def _email_of(written: str) -> str:
    """The address in a field; both where there are two."""
    if match := re.fullmatch(r"The client <(.*)>", written):
        return match[1]
    return written.removeprefix("mailto:").strip("\u200b,")


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
    if row["email"].count("@") > 1 and ";" in row["email"]:
        return "email_ambiguous"
    if not ADDRESS.fullmatch(row["email"]):
        return "email_invalid"
    return "email_taken" if row["email"].casefold() in taken else None
