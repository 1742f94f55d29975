"""The rows of a batch from a table of cells, as spreadsheets write them: what a cell is worth, and what is wrong with it.

Reading skips the result columns, so a result file can be uploaded as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from handlers.imports.accept import MAX_BATCH
from handlers.imports.request import ImportWishes
from portal_db.states import ClientKind, ClientType, EntityType, Subscription

COLUMNS = tuple(ImportWishes.model_fields)
#: The column with a client's name or code in XPM, in place of `xpm_uuid` and `kind` (`handlers.imports.batch_names`).
BY_NAME = "client"
RESULT_COLUMNS = ("import_id", "state", "code", "field", "message", "remedy")
#: A spreadsheet reads text that starts like this as a formula, in full width too, or as cells of which one may be a formula;
#: a leading apostrophe marks it as text.
FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20\t\r\n,;|")
#: Invisible characters that spreadsheets and web pages leave around a value; `strip` takes spaces and no-break spaces.
_INVISIBLE = "\ufeff\u200b\u200c\u200d\u2060"

#: The values of columns with a choice, by how they may be written.
_CHOICES: dict[str, dict[str, str]] = {
    column: {value.casefold(): value for value in choice}
    for column, choice in {
        "kind": ClientKind,
        "entity_type": EntityType,
        "client_type": ClientType,
        "subscription": Subscription,
    }.items()
}
#: Columns whose values may be repeated in an error: they name nobody.
_REPEATED = frozenset(COLUMNS) - {"name", "email"}
_LONGEST_REPEATED = 40
#: What a cell whose formula failed holds: always in English in Excel files.
_ERRORS = frozenset(
    ("#N/A", "#NAME?", "#REF!", "#VALUE!", "#DIV/0!", "#NULL!", "#NUM!", "#SPILL!", "#CALC!", "#GETTING_DATA")
)
#: A file is read no further than this, however much of it is empty.
MAX_LINES, MAX_COLUMNS = 20_000, 200

Row = tuple[int, dict[str, Any]]
#: Lines of a file with their numbers and cells.
Table = Iterable[tuple[int, list[str]]]


class BadFile(Exception):
    """A file without readable rows; the message says why, and continues the file's name."""


class BadLine(Exception):
    """A line that is not a valid row, and why."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


def read(table: Table) -> Iterator[Row | BadLine]:
    """Read rows as fields by column name, each with its line number. An empty cell leaves the field out.

    Raises:
        BadFile: the header is not valid, or the file has far more lines or columns than a batch.
    """
    header: list[str] | None = None
    for number, (line, raw) in enumerate(table):
        if number >= MAX_LINES:
            raise BadFile(f"has more than {MAX_LINES:,} lines: a batch has at most {MAX_BATCH:,} rows")
        if len(raw) > MAX_COLUMNS:
            raise BadFile(f"has more than {MAX_COLUMNS} columns in line {line}: save only the columns of a batch")
        cells = [trim(cell) for cell in raw]
        if not any(cells):
            continue
        if header is None:
            header = _header(cells)
            continue
        nameless = next((number for number, cell in enumerate(cells) if cell and not _name(header, number)), None)
        fields = _fields(header, cells)
        failed = next((name for name, value in fields.items() if value in _ERRORS), None)
        if nameless is not None:
            yield BadLine(line, f"column {nameless + 1} has a value, but the header has no name for it.")
        elif failed is not None:
            what = f"the formula in column {failed} failed: {fields[failed]}"
            yield BadLine(line, f"{what}. Correct it, or empty the cell.")
        else:
            yield line, fields


def found_in(column: str | None, fields: dict[str, Any]) -> str:
    """What a bad cell holds, as an end of the sentence that says what is wrong with it; nothing for names and addresses."""
    value = fields.get(column or "")
    return f", found {str(value)[:_LONGEST_REPEATED]!r}" if column in _REPEATED and value is not None else ""


def trim(cell: str) -> str:
    """A cell without spaces and invisible characters around it."""
    while (trimmed := cell.strip().strip(_INVISIBLE)) != cell:
        cell = trimmed
    return cell


def _header(cells: list[str]) -> list[str]:
    """The names of the columns; a column without a name has an empty one."""
    header = [cell.casefold() for cell in cells]
    named = [name for name in header if name]
    unknown = [name for name in named if name not in (*COLUMNS, *RESULT_COLUMNS, BY_NAME)]
    missing = [name for name in ("xpm_uuid", "kind") if name not in named and BY_NAME not in named]
    if unknown or missing or len(set(named)) < len(named):
        what = f"no column {missing[0]}" if missing else "the same column twice"
        what = f"an unknown column {unknown[0]!r}" if unknown else what
        raise BadFile(f"has {what}. Columns: {', '.join(COLUMNS)}")
    return header


def _name(header: list[str], number: int) -> str:
    return header[number] if number < len(header) else ""


def _fields(header: list[str], cells: list[str]) -> dict[str, Any]:
    """The fields of a row; it may be shorter or longer than the header by empty cells."""
    found = dict(zip(header, cells, strict=False))
    return {name: _value(name, cell) for name, cell in found.items() if cell and name in (*COLUMNS, BY_NAME)}


def _value(column: str, cell: str) -> str:
    plain = cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA) else cell
    return _CHOICES.get(column, {}).get(plain.casefold(), plain)
