"""What commands print: text and tables that fit 80 columns, JSON for scripts, and progress on standard error.

Colours only on a terminal. What comes from other people's records is cleaned before it reaches one.
"""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

COLUMNS = 80

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_JOINERS = "\u200c\u200d"  # they belong to scripts and to emoji


def console(*, stderr: bool = False) -> Console:
    """A console on the standard output (or error) of this moment, at most 80 columns wide."""
    found = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    found.width = min(found.width, COLUMNS)
    return found


def say(text: str | Text = "", *, style: str | None = None) -> None:
    """Text on standard output, wrapped at words."""
    console().print(text, style=style)


def say_line(text: str) -> None:
    """A line on standard output that must stay one: an id, a command to copy."""
    console().print(text, soft_wrap=True)


def note(text: str) -> None:
    """A progress line, on standard error."""
    console(stderr=True).print(text, style="dim", soft_wrap=True)


def complain(message: str, details: Sequence[str] = ()) -> None:
    """An error: one line, and further ones only where each is an error of its own."""
    out = console(stderr=True)
    out.print(Text("Error: ", style="bold red") + Text(clean(message), style="default"), soft_wrap=True)
    for line in details:
        out.print(f"  {clean(line)}", soft_wrap=True)


def say_json(value: Any) -> None:
    """One JSON document on one line of standard output; ids and times as text."""
    sys.stdout.write(json.dumps(value, default=str) + "\n")


def table(*headings: str) -> Table:
    """An empty table without lines; its columns are added by heading and shrink by folding."""
    made = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for heading in headings:
        made.add_column(heading, overflow="fold")
    return made


def clean(text: str) -> str:
    """Text without characters that move a terminal's cursor or change its writing direction."""
    return "".join(
        "\ufffd" if unicodedata.category(mark) in ("Cc", "Cs", "Cf") and mark not in _JOINERS else mark for mark in text
    )


def moment(at: datetime | None) -> str:
    """A time for people, in UTC to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if at else ""


def iso(at: datetime | None) -> str | None:
    """A time for scripts: ISO 8601 in UTC."""
    return at.astimezone(UTC).isoformat() if at else None


def count_of(number: int, one: str, many: str | None = None) -> str:
    """`1 import`, `2 imports`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def short(path: Path) -> str:
    """A path as it is typed from here, where that is shorter."""
    return min(str(path), os.path.relpath(path), key=len)
