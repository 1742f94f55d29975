"""Batches as CSV: reads what spreadsheets write, and writes rows with their results, to be corrected and uploaded again."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from handlers.imports.batch_rows import COLUMNS, FORMULA, MAX_LINES, RESULT_COLUMNS, BadFile, BadLine, trim
from portal_db.tables import Import

#: What Excel separates by: it depends on the country that the machine is set to.
_DELIMITERS = (",", ";", "\t")
_UTF_16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
#: Bytes beyond ASCII that Western names have in Windows-1252. Others, or two in a row, mean that the text may as well be in
#: another encoding.
_WESTERN = frozenset(range(0xC0, 0x100)) - {0xD7, 0xF7} | {0x91, 0x92, 0x93, 0x94, 0x96, 0x97, 0xA0}
_NOT_WESTERN = re.compile(
    rb"[\x80-\xff]{2}|[" + re.escape(bytes(byte for byte in range(0x80, 0x100) if byte not in _WESTERN)) + rb"]"
)
_HEADER_BYTES = 64


def decode(content: bytes) -> str:
    """A file's text: UTF-8, UTF-16, or Windows-1252 where it can be nothing else.

    Raises:
        BadFile: the encoding is not certain.
    """
    encoding = _UTF_16.get(content[:2]) or _utf_16_without_mark(content[:_HEADER_BYTES])
    try:
        return content.decode(encoding or "utf-8").lstrip("\ufeff")  # two of them, when a file was saved twice
    except UnicodeDecodeError as error:
        if encoding is None and _is_western(content):
            return content.decode("cp1252")
        line = content[: error.start].count(b"\n") + 1
        found = content[error.start]
        raise BadFile(f"is not UTF-8 text (line {line}: found the byte {found:#04x}): save it as CSV UTF-8") from None


def table(text: str) -> Iterator[tuple[int, list[str]]]:
    """The lines of a CSV with their numbers and cells.

    Raises:
        BadLine: the text is not CSV from there on.
    """
    delimiter, skipped = _delimiter(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    begun = 0
    try:
        for cells in reader:
            line, begun = begun + 1, reader.line_num
            if line > skipped:
                yield line, cells
    except csv.Error as error:
        raise BadLine(reader.line_num, f"is not valid CSV: {error}.") from None


def write(rows: Iterable[Import]) -> Iterator[str]:
    """Write the rows of a batch with their results, line by line."""
    return write_table(_table(rows))


def write_table(table: Iterable[Sequence[Any]]) -> Iterator[str]:
    """Write rows of values, line by line. No cell is read as a formula."""
    for values in table:
        line = io.StringIO(newline="")
        csv.writer(line, quoting=csv.QUOTE_ALL).writerow([_cell(value) for value in values])
        yield line.getvalue()


def _utf_16_without_mark(start: bytes) -> str | None:
    """The header is ASCII, so every second byte of UTF-16 is zero."""
    if len(start) >= 2 and not any(start[1::2]):
        return "utf-16-le"
    return "utf-16-be" if len(start) >= 2 and not any(start[0::2]) else None


def _is_western(content: bytes) -> bool:
    return not _NOT_WESTERN.search(content)


def _delimiter(text: str) -> tuple[str, int]:
    """What separates the cells, and how many lines say only that: Excel's `sep=;`, or whatever divides the header best."""
    first, _, _ = text.partition("\n")
    said = trim(first).strip('"').lower()
    if said.startswith("sep=") and len(first.rstrip("\r\n").strip('"')) == len("sep=") + 1:
        return first.rstrip("\r\n").strip('"')[-1], 1
    header = next((line for line in islice(io.StringIO(text), MAX_LINES) if line.strip()), "")
    return max(_DELIMITERS, key=lambda mark: _known(header, mark)), 0


def _known(header: str, delimiter: str) -> int:
    """How many columns of ours a header has, if its cells are separated so."""
    return sum(trim(cell).strip('"').lower() in (*COLUMNS, *RESULT_COLUMNS) for cell in header.split(delimiter))


def _table(rows: Iterable[Import]) -> Iterator[list[Any]]:
    yield [*COLUMNS, *RESULT_COLUMNS]
    for row in rows:
        request = [getattr(row, name) for name in COLUMNS]
        result = [row.id, row.state, row.outcome_code, row.outcome_field, row.outcome_message, row.outcome_remedy]
        yield [*request, *result]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text
