"""Batches as CSV: the rows that are asked for, and the same rows with what became of them, to be corrected and sent again.

Reading leaves the columns of a result out, so that a result can be sent as it is.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

from handlers.imports.request import ImportWishes
from portal_db.tables import Import

COLUMNS = tuple(ImportWishes.model_fields)
RESULT_COLUMNS = ("import_id", "state", "code", "field", "message", "remedy")
#: A spreadsheet would take what begins so for a formula; an apostrophe before it says that it is text.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

Row = tuple[int, dict[str, Any]]


class BadFile(Exception):
    """Text that holds no rows; the message says why, after the name of the file."""


class BadLine(Exception):
    """One line that cannot be a row, and why."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


def read(text: str) -> Iterator[Row | BadLine]:
    """Rows by the header's names, each with its line; an empty cell is a field left out.

    Raises:
        BadFile: the header does not fit.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] | None = None
    begun = 0
    try:
        for cells in reader:
            line, begun = begun + 1, reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if header is None:
                header = _header(cells)
            elif len(cells) != len(header):
                yield BadLine(line, f"has {len(cells)} cells where the header has {len(header)}.")
            else:
                yield line, _fields(header, cells)
    except csv.Error as error:
        yield BadLine(reader.line_num, f"is not CSV: {error}.")


def write(rows: Iterable[Import]) -> Iterator[str]:
    """A batch with what became of it, line by line."""
    line = io.StringIO(newline="")
    writer = csv.writer(line)
    for cells in _table(rows):
        writer.writerow(cells)
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def _header(cells: list[str]) -> list[str]:
    header = [cell.strip().lower() for cell in cells]
    unknown = [field for field in header if field not in COLUMNS and field not in RESULT_COLUMNS]
    missing = [field for field in ("xpm_uuid", "kind") if field not in header]
    if unknown or missing or len(set(header)) < len(header):
        what = f"no column {missing[0]}" if missing else "a column twice"
        what = f"an unknown column {unknown[0]!r}" if unknown else what
        raise BadFile(f"has {what}. Columns: {', '.join(COLUMNS)}")
    return header


def _fields(header: list[str], cells: list[str]) -> dict[str, Any]:
    found = dict(zip(header, cells, strict=True))
    return {field: _plain(cell) for field, cell in found.items() if cell.strip() and field in COLUMNS}


def _table(rows: Iterable[Import]) -> Iterator[list[str]]:
    yield [*COLUMNS, *RESULT_COLUMNS]
    for row in rows:
        wanted = [getattr(row, name) for name in COLUMNS]
        told = [row.id, row.state, row.outcome_code, row.outcome_field, row.outcome_message, row.outcome_remedy]
        yield [_cell(value) for value in (*wanted, *told)]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _plain(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell
