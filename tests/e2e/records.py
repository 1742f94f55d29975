"""Records of XPM to import in a test, told apart by what the simulator says is true; no test takes another one's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from tests.serving import Served
from tests.truth import ADDRESS, is_person
from worker.local.practices import FIRST_IMPORTS

Record = dict[str, Any]


def people(served: Served) -> list[Record]:
    """People who can be imported: their own valid email, a name that no other record has in its own, and that XPM writes as
    the portal does."""
    counts = Counter(str(row["email"]).casefold() for row in served.truth())
    return [
        row
        for row in _fresh(served)
        if is_person(row)
        and "," not in row["name"]
        and ADDRESS.fullmatch(row["email"] or "")
        and counts[row["email"].casefold()] == 1
    ]


def without_email(served: Served) -> list[Record]:
    """People who cannot be imported as they are."""
    return [row for row in _fresh(served) if is_person(row) and not row["email"]]


def entities(served: Served, wanted: Callable[[Record], bool] = lambda _: True) -> list[Record]:
    return [row for row in _fresh(served) if not is_person(row) and wanted(row)]


def _fresh(served: Served) -> Iterator[Record]:
    """Active records whom the served portal did not import by itself, in reach of a search by their whole name."""
    rows = served.truth()
    names = [str(row["name"]).casefold() for row in rows]
    for row in rows[FIRST_IMPORTS:]:
        name = str(row["name"]).casefold()
        is_plain = name.isascii() and "  " not in name and name == name.strip()
        if is_plain and sum(name in other for other in names) == 1 and not (row["is_archived"] or row["is_deleted"]):
            yield row
