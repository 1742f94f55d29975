"""Batches as CSV: reads requested rows, and writes them with their results, to be corrected and uploaded again.

Reading skips the result columns, so a result file can be uploaded as it is.
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
#: A spreadsheet reads text that starts like this as a formula; a leading apostrophe marks it as text.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

Row = tuple[int, dict[str, Any]]


class BadFile(Exception):
    """A file without readable rows; the message says why, and continues the file's name."""


class BadLine(Exception):
    """A line that is not a valid row, and why."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


def read(text: str) -> Iterator[Row | BadLine]:
    """Read rows as fields by column name, each with its line number. An empty cell leaves the field out.

    Raises:
        BadFile: the header is not valid.
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
                yield BadLine(line, f"has {len(cells)} cells, but the header has {len(header)}.")
            else:
                yield line, _fields(header, cells)
    except csv.Error as error:
        yield BadLine(reader.line_num, f"is not valid CSV: {error}.")


def write(rows: Iterable[Import]) -> Iterator[str]:
    """Write the rows of a batch with their results, line by line."""
    for cells in _table(rows):
        line = io.StringIO(newline="")
        csv.writer(line).writerow(cells)
        yield line.getvalue()


def _header(cells: list[str]) -> list[str]:
    header = [cell.strip().lower() for cell in cells]
    unknown = [field for field in header if field not in COLUMNS and field not in RESULT_COLUMNS]
    missing = [field for field in ("xpm_uuid", "kind") if field not in header]
    if unknown or missing or len(set(header)) < len(header):
        what = f"no column {missing[0]}" if missing else "the same column twice"
        what = f"an unknown column {unknown[0]!r}" if unknown else what
        raise BadFile(f"has {what}. Columns: {', '.join(COLUMNS)}")
    return header


def _fields(header: list[str], cells: list[str]) -> dict[str, Any]:
    found = dict(zip(header, cells, strict=True))
    return {field: _plain(cell) for field, cell in found.items() if cell.strip() and field in COLUMNS}


def _table(rows: Iterable[Import]) -> Iterator[list[str]]:
    yield [*COLUMNS, *RESULT_COLUMNS]
    for row in rows:
        request = [getattr(row, name) for name in COLUMNS]
        result = [row.id, row.state, row.outcome_code, row.outcome_field, row.outcome_message, row.outcome_remedy]
        yield [_cell(value) for value in (*request, *result)]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _plain(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell
