"""Excel files (.xlsx): reads the cells of the first sheet, within bounds, whatever the file claims about itself; writes
tables.

openpyxl is imported where it is used: it takes 20 MB, which a process without such files should not hold. It reads XML by
defusedxml, which is one of our dependencies.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Any

from handlers.imports.batch_rows import MAX_COLUMNS, MAX_LINES, BadFile

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MARK = b"PK\x03\x04"
#: What Excel files from before 2007, and those with a password, begin with.
OLD_MARK = b"\xd0\xcf\x11\xe0"
#: Bytes of all parts together, unpacked. 5,000 full rows are about 5 MB.
MAX_UNPACKED = 64 * 1024 * 1024
MAX_PARTS = 1_000
_CHUNK = 64 * 1024

_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    IndexError,
    OSError,
)


def table(content: bytes) -> Iterator[tuple[int, list[str]]]:
    """The rows of the first sheet with their numbers and cells.

    Raises:
        BadFile: it is no Excel file, or too large.
    """
    import openpyxl

    _require_small(content)
    try:
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # the file may claim any
        rows = sheet.iter_rows(max_row=MAX_LINES, max_col=MAX_COLUMNS, values_only=True)
        for number, values in enumerate(rows, 1):
            yield number, [_text(value) for value in values]
    except (*_BROKEN, SyntaxError) as error:  # SyntaxError: XML that cannot be read
        raise BadFile("is not an Excel file that can be read: save it again as .xlsx, or as CSV UTF-8") from error


def write_table(table: Iterable[Sequence[Any]]) -> bytes:
    """An Excel file with one sheet of these values. Texts are stored as texts, so that no cell is a formula."""
    import openpyxl
    from openpyxl.cell import WriteOnlyCell

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    for values in table:
        cells = [WriteOnlyCell(sheet, value) for value in values]
        for cell in cells:
            if isinstance(cell.value, str):
                cell.data_type = "s"  # else one that begins with = is a formula
        sheet.append(cells)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def _require_small(content: bytes) -> None:
    """Unpack every part once and keep none: a part's size in the directory of the file is only a claim."""
    left = MAX_UNPACKED
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
            if len(parts) > MAX_PARTS:
                raise BadFile(f"has more than {MAX_PARTS:,} parts: save only the rows as .xlsx, or as CSV UTF-8")
            for part in parts:
                with archive.open(part) as unpacked:
                    while chunk := unpacked.read(_CHUNK):
                        left -= len(chunk)
                        if left < 0:
                            raise BadFile("is too large: save only the rows as .xlsx, or as CSV UTF-8")
    except (*_BROKEN, NotImplementedError, RuntimeError) as error:  # an unknown compression; a password
        raise BadFile("is not an Excel file that can be read: save it again as .xlsx, or as CSV UTF-8") from error


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case float() if value.is_integer():
            return str(int(value))
        case datetime() | date():
            return value.isoformat()
        case _:
            return str(value)
