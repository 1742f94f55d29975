"""Excel files (.xlsx): reads the cells of the first sheet, within bounds, whatever the file claims about itself; writes
tables.

openpyxl is imported where it is used: it takes 20 MB, which a process without such files should not hold. It reads XML by
defusedxml, which is one of our dependencies. Its `load_workbook` makes objects of much that no row needs, so the steps that
rows need are taken one by one, on an archive that counts.
"""

from __future__ import annotations

import io
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import IO, Any

from handlers.imports.batch_rows import MAX_COLUMNS, MAX_LINES, BadFile

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MARK = b"PK\x03\x04"
#: What Excel files from before 2007, and those with a password, begin with.
OLD_MARK = b"\xd0\xcf\x11\xe0"
#: Bytes of the sheet and its texts together, unpacked. 5,000 full rows are about 5 MB.
MAX_UNPACKED = 16 * 1024 * 1024
#: Their tags and attributes, which are what takes time and memory. 5,000 full rows have about 850,000.
MAX_MARKS = 1_200_000
#: The same of one row or text. Excel's widest row has 16,384 cells, with three marks each where they are empty.
MAX_ELEMENT = 100_000
#: Bytes of each other part that is read. The formats of a much used workbook are 50 to 200 KB; a MB of them would take 4 s.
MAX_PART = 256 * 1024
MAX_PARTS = 1_000
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"

# openpyxl warns of each number that is no date, with the number, and Python would keep every such text.
warnings.filterwarnings("ignore", module=r"openpyxl\.")

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
    try:
        with _Archive(io.BytesIO(content)) as archive:
            yield from _rows(archive)
    except (*_BROKEN, RuntimeError, SyntaxError) as error:  # a password; XML that cannot be read
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


class _Archive(zipfile.ZipFile):
    """Counts bytes as they are unpacked: a part's size in the directory of the file is only a claim."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        self.bytes_left, self.marks_left = MAX_UNPACKED, MAX_MARKS
        parts = self.infolist()
        if len(parts) > MAX_PARTS:
            raise BadFile(f"has more than {MAX_PARTS:,} parts: save only the rows as .xlsx, or as CSV UTF-8")
        if not {part.compress_type for part in parts} <= {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise zipfile.BadZipFile("a compression that Excel has not, which zipfile unpacks without a bound")

    def read(self, name: str | zipfile.ZipInfo, pwd: bytes | None = None) -> bytes:
        """A part of which openpyxl makes objects."""
        with self.open(name, pwd=pwd) as part:
            content = part.read(MAX_PART + 1)
        if len(content) > MAX_PART:
            raise BadFile("has too many formats: copy only the rows into a new .xlsx, or save it as CSV UTF-8")
        return content

    def elements(self, name: str, tag: str) -> Iterator[Any]:
        """The elements of a large part that have this tag, one at a time."""
        from defusedxml.ElementTree import iterparse  # type: ignore[import-untyped]  # it ships no types

        is_inside = False
        around: list[Any] = []
        with self.open(name) as part:
            counted = _Counted(self, part)
            for event, element in iterparse(counted, ("start", "end")):
                counted.is_moving()
                if event == "start":
                    around.append(element)
                    is_inside = is_inside or element.tag == tag
                    continue
                around.pop()
                if element.tag == tag:
                    yield element
                    is_inside = False
                if not is_inside:
                    element.clear()
                    if around:
                        around[-1].remove(element)  # or it would keep every empty one
                    counted.is_next()


class _Counted:
    """A part of an archive as `iterparse` reads it, 16 KB at a time."""

    def __init__(self, archive: _Archive, part: IO[bytes]) -> None:
        self._archive = archive
        self._part = part
        self._token = self._element = 0

    def read(self, size: int) -> bytes:
        chunk = self._part.read(size)
        marks = chunk.count(b"<") + chunk.count(b"=")  # the same bytes in every encoding that expat takes
        self._token += len(chunk)
        self._element += marks
        self._archive.bytes_left -= len(chunk)
        self._archive.marks_left -= marks
        is_much = min(self._archive.bytes_left, self._archive.marks_left) < 0
        if is_much or self._token > MAX_PART or self._element > MAX_ELEMENT:
            raise BadFile("is too large: save only the rows as .xlsx, or as CSV UTF-8")
        return chunk

    def is_moving(self) -> None:
        """A tag has begun or ended: expat reads what is unfinished again from its start with each chunk."""
        self._token = 0

    def is_next(self) -> None:
        """An element has ended, and nothing of it is kept."""
        self._element = 0


def _rows(archive: _Archive) -> Iterator[tuple[int, list[str]]]:
    from openpyxl.reader.excel import ExcelReader
    from openpyxl.styles.stylesheet import apply_stylesheet
    from openpyxl.worksheet._reader import WorkSheetParser
    from openpyxl.xml.constants import SHARED_STRINGS

    reader = ExcelReader(archive.fp, read_only=True, data_only=True, keep_links=False)
    reader.archive = archive
    reader.read_manifest()
    reader.read_workbook()
    apply_stylesheet(archive, reader.wb)  # which numbers are dates
    sheets = [part for _, part in reader.parser.find_sheets() if "chartsheet" not in part.Type]
    strings = reader.package.find(SHARED_STRINGS)
    parser = WorkSheetParser(
        None,
        list(_texts(archive, strings.PartName[1:])) if strings else [],
        data_only=True,
        epoch=reader.wb.epoch,
        date_formats=reader.wb._date_formats,
        timedelta_formats=reader.wb._timedelta_formats,
    )
    for element in archive.elements(sheets[0].target, f"{_MAIN}row"):
        number, cells = parser.parse_row(element)
        if number > MAX_LINES:
            return
        yield number, _filled(cells)


def _filled(cells: Iterable[dict[str, Any]]) -> list[str]:
    """The cells of a row up to the last one with a value, or to the first column that is too many."""
    values = {cell["column"]: _text(cell["value"]) for cell in cells if cell["value"] is not None}
    width = min(max(values, default=0), MAX_COLUMNS + 1)
    return [values.get(column, "") for column in range(1, width + 1)]


def _texts(archive: _Archive, name: str) -> Iterator[str]:
    """The texts that cells refer to by their number."""
    for element in archive.elements(name, f"{_MAIN}si"):
        parts = (*element.iterfind(f"{_MAIN}t"), *element.iterfind(f"{_MAIN}r/{_MAIN}t"))
        yield "".join(part.text or "" for part in parts).replace("x005F_", "")


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
