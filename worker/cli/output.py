"""What commands print: text and tables that fit 80 columns, JSON for scripts, and progress on standard error.

Colours appear only on a terminal. Text from other people's records is cleaned before it is printed.
"""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar
from uuid import UUID

import typer
from rich.console import Console, JustifyMethod, RenderableType
from rich.progress import Progress, ProgressColumn
from rich.table import Table
from rich.text import Text

from portal_db.paging import Cursor

COLUMNS = 80

T = TypeVar("T")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_JOINERS = "\u200c\u200d"  # part of some scripts and of emoji


def console(*, stderr: bool = False) -> Console:
    """A console on the current standard output (or error), at most 80 columns wide."""
    found = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    found.width = min(found.width, COLUMNS)
    return found


def progress_bar(*columns: ProgressColumn, transient: bool = True) -> Progress:
    """A progress display on standard error; it shows nothing where that is not a terminal."""
    out = console(stderr=True)
    return Progress(*columns, console=out, transient=transient, disable=not out.is_terminal)


def say(text: str | Text = "", *, style: str | None = None) -> None:
    """Print text on standard output, wrapped at words."""
    console().print(text, style=style)


def say_line(text: str) -> None:
    """Print a line on standard output that must not be wrapped: an id, a command to copy."""
    console().print(text, soft_wrap=True)


def note(text: str) -> None:
    """Print a line about progress or what to do next, on standard error."""
    console(stderr=True).print(text, style="dim", soft_wrap=True)


def say_error(message: str, details: Sequence[str] = ()) -> None:
    """Print an error in one line, and one more line for each of `details`."""
    out = console(stderr=True)
    out.print(Text("Error: ", style="bold red") + Text(clean(message), style="default"), soft_wrap=True)
    for line in details:
        out.print(f"  {clean(line)}", soft_wrap=True)


def say_json(value: Any) -> None:
    """Print one JSON document on one line of standard output. Times are ISO 8601 in UTC, ids are text."""
    sys.stdout.write(json.dumps(value, default=_as_text) + "\n")


def _as_text(value: object) -> str:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)


def say_result(as_json: bool, value: Any, text: str) -> None:
    """Print what a command did: `value` for scripts, or `text` for people."""
    if as_json:
        say_json(value)
    else:
        say(text)


def say_list(
    rows: Sequence[T],
    as_json: bool,
    to_json: Callable[[T], dict[str, Any]],
    render: Callable[[Sequence[T]], RenderableType],
    *,
    empty: str,
    limit: int = 0,
    cursor: Callable[[T], Cursor] | None = None,
) -> None:
    """Print rows for scripts or for people.

    Args:
        empty: printed for people when there are no rows.
        limit: how many rows were requested.
        cursor: the cursor of the page after a row, in lists that have pages.
    """
    if as_json:
        say_json([{**to_json(row), **({"cursor": cursor(row)} if cursor else {})} for row in rows])
    elif not rows:
        say(empty)
    else:
        console().print(render(rows))
        if cursor and len(rows) >= limit:
            note(f"There may be more: --after {cursor(rows[-1])}")


def fields(row: object, names: str, **renamed: str) -> dict[str, Any]:
    """Attributes of a row for JSON.

    Args:
        names: the attributes, separated by spaces.
        renamed: attributes that have another name in JSON, as `code="error_code"`.
    """
    return {name: getattr(row, column) for name, column in ({name: name for name in names.split()} | renamed).items()}


def table(*headings: str, no_wrap: Collection[int] = (), right: Collection[int] = ()) -> Table:
    """An empty table without lines, whose columns shrink by folding.

    Args:
        no_wrap: columns that do not shrink.
        right: columns of numbers.
    """
    made = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for place, heading in enumerate(headings):
        align: JustifyMethod = "right" if place in right else "left"
        made.add_column(heading, overflow="fold", no_wrap=place in no_wrap, justify=align)
    return made


def details_table(details: Mapping[str, str | None]) -> Table:
    """Names and values, one a line. Empty values are left out."""
    made = table("", "", no_wrap=[0])
    made.show_header = False
    for name, value in details.items():
        if value:
            made.add_row(name, clean(value))
    return made


def clean(text: str) -> str:
    """Text without characters that move a terminal's cursor or change its writing direction."""
    return "".join(
        "\ufffd" if unicodedata.category(mark) in ("Cc", "Cs", "Cf") and mark not in _JOINERS else mark for mark in text
    )


def utc(at: datetime | None) -> str:
    """A time for people, in UTC to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if at else ""


def short_utc(at: datetime | None) -> str:
    """A time for narrow columns, in UTC: `11-22 09:30`."""
    return utc(at)[5:16]


def count_of(number: int, one: str, many: str | None = None) -> str:
    """`1 import`, `2 imports`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def state_words(state: str) -> str:
    """A state for people: `partly succeeded`."""
    return state.replace("_", " ")


def short_path(path: Path) -> str:
    """A path, relative to the working directory where that is shorter."""
    return min(str(path), os.path.relpath(path), key=len)


def print_secret(secret: str, made_id: UUID, as_json: bool, *, what: str = "secret") -> None:
    """Print a secret that was made, which is shown only now, and the id of what it belongs to."""
    if as_json:
        say_json({"secret": secret, "id": made_id})
        return
    say_line(secret)
    note(f"Its id: {made_id}. Keep the {what} safe: it is not shown again.")
