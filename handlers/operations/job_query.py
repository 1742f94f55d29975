"""Searching jobs by qualifiers, as people type them: `kind:create_client code:bug age:>2d practice:ID disk full`.

Words without a qualifier are looked for in the error message. A value with spaces stands in quotes.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

from handlers import refusals
from portal_db.states import JobState, Lane
from portal_db.work.job_search import Filter, group_named

LONGEST = 500
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DAYS_OF_AGE = re.compile(r"(\d{1,6})([smhd])")


def seconds_of(text: str) -> float | None:
    """Seconds of an age such as `90s`, `15m`, `6h` or `2d`; `None` if it is not an age."""
    found = _DAYS_OF_AGE.fullmatch(text.strip())
    return float(found[1]) * _UNITS[found[2]] if found else None


def parse(text: str, base: Filter) -> Filter:
    """The filter that a query makes of `base`; one of dead letters stays one of dead letters.

    Raises:
        RequestRefused: it cannot be read; the message says which part.
    """
    only_dead = base.only_dead
    try:
        parts = shlex.split(text[:LONGEST].replace("\\", "\\\\").replace("'", "\\'"))
    except ValueError:
        raise refusals.BAD_QUERY(part=text[-20:], hint="close the quotes") from None
    words = []
    for part in parts:
        name, colon, value = part.partition(":")
        if colon and name in _QUALIFIERS:
            base = replace(base, **_QUALIFIERS[name](value))
            if only_dead and not base.only_dead:
                raise refusals.DEAD_LETTERS_ONLY(state=value)
        elif colon and re.fullmatch(r"[a-z]+", name) and value:
            raise refusals.BAD_QUERY(part=part, hint=f"known are {', '.join(_QUALIFIERS)}")
        else:
            words.append(part)
    return replace(base, text=" ".join(words)) if words else base


def _id(name: str) -> Callable[[str], dict[str, Any]]:
    def read(value: str) -> dict[str, Any]:
        try:
            return {f"{name}_id": UUID(value)}
        except ValueError:
            raise refusals.BAD_QUERY(part=f"{name}:{value}", hint="it takes an id") from None

    return read


def _age(value: str) -> dict[str, Any]:
    seconds = seconds_of(value[1:])
    if value[:1] not in "<>" or seconds is None:
        raise refusals.BAD_QUERY(part=f"age:{value}", hint="age:>2d for older, age:<6h for newer")
    return {"older_than" if value[0] == ">" else "newer_than": seconds}


def _group(value: str) -> dict[str, Any]:
    group = group_named(value)
    if group is None:
        raise refusals.BAD_QUERY(part=f"group:{value}", hint="take a group from the list")
    return {"group": group}


def _state(value: str) -> dict[str, Any]:
    return {"states": (_member(JobState, "state", value),)}


def _lane(value: str) -> dict[str, Any]:
    return {"lane": _member(Lane, "lane", value)}


def _member(values: Any, name: str, value: str) -> Any:
    try:
        return values(value)
    except ValueError:
        raise refusals.BAD_QUERY(part=f"{name}:{value}", hint=f"one of {', '.join(values)}") from None


_QUALIFIERS: dict[str, Callable[[str], dict[str, Any]]] = {
    "kind": lambda value: {"kind": value},
    "code": lambda value: {"code": value},
    "text": lambda value: {"text": value},
    "practice": _id("practice"),
    "import": _id("import"),
    "age": _age,
    "group": _group,
    "state": _state,
    "lane": _lane,
}
