"""A file of rows as spreadsheets write it: whatever is unambiguous is read, and what is not is named with its place."""

from __future__ import annotations

import csv
import io
import tracemalloc
import zipfile
from collections.abc import Callable
from datetime import date
from itertools import islice
from typing import Any
from uuid import UUID

import openpyxl
import pytest
from openpyxl.xml.constants import SHARED_STRINGS

from handlers.imports import batch_csv, batch_file, batch_rows, batch_xlsx
from handlers.imports.batch_rows import BadFile, BadLine
from portal_db.states import ClientKind
from portal_db.tables import Import

UUID_1, UUID_2 = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
PLAIN = f"xpm_uuid,kind,name\n{UUID_1},individual,Zoë O\u2019Quill\n{UUID_2},entity,\n"
ROWS = [
    (2, {"xpm_uuid": UUID_1, "kind": "individual", "name": "Zoë O\u2019Quill"}),
    (3, {"xpm_uuid": UUID_2, "kind": "entity"}),
]


def excel(*rows: list[Any]) -> bytes:
    """An Excel file with these rows in its first sheet."""
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


Change = Callable[[bytes], bytes]


def with_parts(changes: dict[str, Change], source: bytes | None = None, how: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An Excel file of which some parts were changed, or added."""
    before = zipfile.ZipFile(io.BytesIO(source or excel(["xpm_uuid", "kind"], [UUID_1, "entity"])))
    made, names = io.BytesIO(), before.namelist()
    with zipfile.ZipFile(made, "w", how) as archive:
        for name in dict.fromkeys([*names, *changes]):
            archive.writestr(name, changes.get(name, bytes)(before.read(name) if name in names else b""))
    return made.getvalue()


def with_more(name: str, before: bytes, more: bytes) -> bytes:
    """A good Excel file, of which one part has more before some tag."""
    return with_parts({name: lambda content: content.replace(before, more + before)})


# Built once and named: the bytes of a workbook hold the time it was made, which no name of a test may.
WRITTEN = {
    "utf-8": PLAIN.encode(),
    "utf-8 with a mark": PLAIN.encode("utf-8-sig"),
    "utf-8 with two marks": b"\xef\xbb\xbf" + PLAIN.encode("utf-8-sig"),
    "utf-16": PLAIN.encode("utf-16"),
    "utf-16-be with a mark": b"\xfe\xff" + PLAIN.encode("utf-16-be"),
    "utf-16-le": PLAIN.encode("utf-16-le"),
    "utf-16-be": PLAIN.encode("utf-16-be"),
    "windows-1252": PLAIN.encode("cp1252"),
    "semicolons": PLAIN.replace(",", ";").encode(),
    "tabs in utf-16": PLAIN.replace(",", "\t").encode("utf-16"),
    "lines of Windows": PLAIN.replace("\n", "\r\n").encode(),
    "unnamed empty columns": PLAIN.replace("name\n", "name,,\n").replace("Quill\n", "Quill,,\n").encode(),
    "a short row": PLAIN.replace("entity,", "entity").encode(),
    "a long row": PLAIN.replace("entity,", "entity,,,,").encode(),
    "spaces around": PLAIN.replace(",", " ,\u00a0").replace("\n", "\u200b\n").encode(),
    "choices in any case": PLAIN.replace("individual", "Individual").replace("entity", "ENTITY").encode(),
    "columns in any case": PLAIN.replace("xpm_uuid,kind", "XPM_UUID,Kind").encode(),
    "excel": excel(*[line.split(",") for line in PLAIN.splitlines()]),
    "excel with empty cells": excel(
        ["xpm_uuid", "kind", "name", None], [UUID_1, "Individual ", " Zoë O\u2019Quill"], [UUID_2, "entity", None]
    ),
}


#: One of each kind, for those who pass a file on.
AS_SPREADSHEETS_WRITE = ("semicolons", "tabs in utf-16", "windows-1252", "excel")


@pytest.mark.parametrize("content", WRITTEN.values(), ids=WRITTEN.keys())
def test_what_spreadsheets_write_is_the_same_two_rows(content: bytes) -> None:
    assert list(batch_file.read(content)) == ROWS


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_the_line_that_names_the_delimiter_is_obeyed_and_counted(mark: str) -> None:
    content = f"sep={mark}\r\n" + PLAIN.replace(",", mark)
    assert list(batch_file.read(content.encode())) == [(line + 1, fields) for line, fields in ROWS]


@pytest.mark.parametrize(
    ("column", "written", "meant"),
    [
        ("entity_type", "super FUND", "Super Fund"),
        ("client_type", "business", "Business"),
        ("subscription", "PRO", "Pro"),
        ("kind", "robot", "robot"),
    ],
)
def test_a_choice_may_be_written_in_any_case(column: str, written: str, meant: str) -> None:
    header = dict.fromkeys(("xpm_uuid", "kind", column))
    cells = {"xpm_uuid": UUID_1, "kind": "entity", column: written}
    [(_, fields)] = batch_file.read(f"{','.join(header)}\n{','.join(cells[name] for name in header)}".encode())  # type: ignore[misc]
    assert fields[column] == meant


def test_the_cells_of_an_excel_file_are_read_by_their_types() -> None:
    content = excel(
        ["xpm_uuid", "kind", "name", "send_welcome_email", "bring_details"],
        [UUID_1, "individual", 42.0, True, False],
        [None, None, None, None, None],
        [UUID_2, "individual", date(2026, 11, 27), None, "=1+1"],
    )
    first, second = batch_file.read(content)
    assert first == (
        2,
        {
            "xpm_uuid": UUID_1,
            "kind": "individual",
            "name": "42",
            "send_welcome_email": "true",
            "bring_details": "false",
        },
    )
    assert second == (4, {"xpm_uuid": UUID_2, "kind": "individual", "name": "2026-11-27T00:00:00"})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"xpm_uuid,kind,name\n1,entity,\xc3\xc4", "line 2: found the byte 0xc3"),  # two in a row: which encoding?
        (b"xpm_uuid,kind,name\n1,entity,Ren\x8e", "line 2: found the byte 0x8e"),  # an é on an old Mac
        (b"xpm_uuid,kind,colour\n", "an unknown column 'colour'"),
        (b"PK\x03\x04 no archive", "is not an Excel file"),
        (excel(["xpm_uuid", "name"], [1, 2]), "no column kind"),
        (b"\xd0\xcf\x11\xe0 old", "save it as .xlsx without a password"),
    ],
    ids=["two letters in a row", "an old Mac", "an unknown column", "no archive", "no kind", "old Excel"],
)
def test_a_file_that_cannot_be_read_says_where_and_what(content: bytes, words: str) -> None:
    with pytest.raises(BadFile, match=words.replace("(", r"\(")):
        list(batch_file.read(content))


def test_a_value_in_a_column_without_a_name_is_named() -> None:
    found = list(batch_file.read(f"xpm_uuid,kind,\n{UUID_1},entity,7\n{UUID_2},entity,,8\n".encode()))
    assert [str(bad) for bad in found if isinstance(bad, BadLine)] == [
        "line 2: column 3 has a value, but the header has no name for it.",
        "line 3: column 4 has a value, but the header has no name for it.",
    ]


SHEET, TEXTS, FORMATS = "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/styles.xml"


@pytest.mark.parametrize(
    ("name", "before"),
    [
        (FORMATS, b"</cellXfs>"),
        ("xl/workbook.xml", b"</sheets>"),
        ("[Content_Types].xml", b"</Types>"),
        ("xl/_rels/workbook.xml.rels", b"</Relationships>"),
    ],
    ids=["formats", "workbook", "types", "relationships"],
)
def test_a_part_of_which_objects_are_made_is_refused_by_its_size(name: str, before: bytes) -> None:
    """Given some KB that unpack to 1 MB; a part that may be large is none of which objects are made, whatever its name."""
    bomb = with_more(name, before, b"<xf/>" * 200_000)
    assert len(bomb) < 10_000
    with pytest.raises(BadFile, match="has too many formats"):
        list(batch_file.read(bomb))


@pytest.mark.parametrize(
    ("before", "more"),
    [
        (b"</sheetData>", b"<row>%s</row>" % (b"<c/>" * 250_000)),
        (b"</sheetData>", b"<row %s/>" % b" ".join(b"a%d=''" % number for number in range(50_000))),
        (b"</sheetData>", b"<row><c>%s</c></row>" % (b"x" * 1_000_000)),
        (b"</sheetData>", (b"<row>%s</row>" % (b"<c/>" * 98)) * 13_000),
        (b"<sheetData>", b"<cols>%s</cols>" % (b"<col/>" * 1_300_000)),
    ],
    ids=["cells of a row", "attributes", "a text", "rows", "columns"],
)
def test_a_sheet_is_refused_at_what_is_too_much_of_it(before: bytes, more: bytes) -> None:
    bomb = with_more(SHEET, before, more)
    assert len(bomb) < 200_000
    with pytest.raises(BadFile, match="is too large"):
        list(batch_file.read(bomb))


def test_an_excel_file_that_unpacks_to_too_much_is_refused_while_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever sizes it claims: the bytes are counted as they are unpacked, of what is read."""
    monkeypatch.setattr(batch_xlsx, "MAX_UNPACKED", 1_000_000)
    bomb = with_more(SHEET, b"</sheetData>", (b'<row><c t="str"><v>%s</v></c></row>' % (b"7" * 100_000)) * 20)
    assert len(bomb) < 20_000
    with pytest.raises(BadFile, match="is too large"):
        list(batch_file.read(bomb))
    assert len(list(batch_file.read(with_parts({"xl/media/image1.png": lambda _: bytes(2_000_000)})))) == 1


def test_nothing_is_kept_of_the_empty_elements_of_an_excel_file() -> None:
    # Given a small file with a hundred thousand empty columns
    content = with_more(SHEET, b"<sheetData>", b"<cols>%s</cols>" % (b"<col/>" * 100_000))
    # When it is read, then all of them together take less than fifty bytes each
    tracemalloc.start()
    try:
        assert len(list(batch_file.read(content))) == 1
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000


def test_an_excel_file_is_refused_if_it_is_compressed_as_zipfile_unpacks_without_a_bound() -> None:
    with pytest.raises(BadFile, match="is not an Excel file"):
        list(batch_file.read(with_parts({}, how=zipfile.ZIP_BZIP2)))


def test_a_used_workbook_of_5000_full_rows_is_read() -> None:
    """Given formats of 200 KB, as they gather over the years, and long texts."""
    header = [*batch_rows.COLUMNS, *batch_rows.RESULT_COLUMNS]
    rows = [[UUID_1, "entity", *[f"{number} of a long text" * 3 for _ in header[2:]]] for number in range(5_000)]
    xf = b'<xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"><alignment/></xf>' * 2_500
    used = {FORMATS: lambda content: content.replace(b"</cellXfs>", xf + b"</cellXfs>")}
    assert len(list(batch_file.read(with_parts(used, excel(header, *rows))))) == 5_000


def test_the_texts_that_cells_of_excel_share_are_read_with_and_without_formats() -> None:
    # Given texts as Excel stores them: one in two formats, with its reading, which is no part of it
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    rich = "<si><r><t>Blue </t></r><r><rPr><b/></rPr><t>Reef</t></r><rPh sb='0' eb='1'><t>bluu</t></rPh></si>"
    texts = f"<sst xmlns='{space}'><si><t>client</t></si>{rich}</sst>"
    rows = "".join(f'<row><c t="s"><v>{number}</v></c></row>' for number in range(2))
    kind = f'<Override PartName="/{TEXTS}" ContentType="{SHARED_STRINGS}"/>'
    content = with_parts(
        {
            TEXTS: lambda _: texts.encode(),
            SHEET: lambda _: f"<worksheet xmlns='{space}'><sheetData>{rows}</sheetData></worksheet>".encode(),
            "[Content_Types].xml": lambda content: content.replace(b"</Types>", f"{kind}</Types>".encode()),
        }
    )
    # When it is read, then the cells have their texts
    assert list(batch_file.read(content)) == [(2, {"client": "Blue Reef"})]


def test_an_excel_file_with_more_rows_than_a_batch_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_xlsx, "MAX_LINES", 11)
    content = excel(["xpm_uuid", "kind"], *([UUID_1, "entity"] for _ in range(50)))
    assert len(list(batch_file.read(content))) == 10


@pytest.mark.parametrize("as_csv", [False, True], ids=["excel", "csv"])
def test_a_cell_whose_formula_failed_is_no_name(as_csv: bool) -> None:
    # Given a name that a lookup did not find, and an error in a result column, which is not read
    rows = [["xpm_uuid", "kind", "name", "state"], [UUID_1, "entity", "#N/A"], [UUID_2, "entity", "Moss", "#REF!"]]
    content = "\n".join(",".join(row) for row in rows).encode() if as_csv else excel(*rows)
    # When the file is read
    first, second = batch_file.read(content)
    # Then that line is refused, and the other is not
    assert str(first) == "line 2: the formula in column name failed: #N/A. Correct it, or empty the cell."
    assert second == (3, {"xpm_uuid": UUID_2, "kind": "entity", "name": "Moss"})


@pytest.mark.parametrize("mark", ["\n", "\r\n", "x\n", ",\n"], ids=["lf", "crlf", "rows", "empty cells"])
def test_a_file_is_read_no_further_than_its_lines_may_go(mark: str) -> None:
    content = f"xpm_uuid,kind,name\n{mark * 3_000_000}".encode()[: 5 * 1024 * 1024]
    found = batch_file.read(content)
    with pytest.raises(BadFile, match="has more than 20,000 lines"):
        list(islice(found, batch_rows.MAX_LINES + 1))


def test_a_value_beyond_the_columns_of_an_excel_file_is_refused_and_an_empty_cell_ignored() -> None:
    cell = b'<row r="3"><c r="KA3" t="%s"><v>1</v></c></row>'
    with pytest.raises(BadFile, match="more than 200 columns in line 3"):
        list(batch_file.read(with_more(SHEET, b"</sheetData>", cell % b"n")))
    empty = with_more(SHEET, b"</sheetData>", (cell % b"n").replace(b"<v>1</v>", b""))
    assert len(list(batch_file.read(empty))) == 1


def test_a_line_of_nothing_but_marks_is_refused_by_its_columns() -> None:
    with pytest.raises(BadFile, match="more than 200 columns in line 2"):
        list(batch_file.read(f"xpm_uuid,kind\n{',' * 100_000}".encode()))


def test_entities_in_the_xml_of_an_excel_file_are_not_expanded() -> None:
    doctype = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]>'
    content = with_parts({"xl/workbook.xml": lambda content: doctype + content})
    with pytest.raises(BadFile, match="is not an Excel file"):
        list(batch_file.read(content))


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", ",=", ";=", "|=", "\t="])
def test_no_spreadsheet_takes_a_written_name_for_a_formula_and_it_is_read_back_as_it_was(start: str) -> None:
    """Given a name that begins like a formula, in a program that divides cells at any of the usual marks."""
    name = f"{start}cmd|'/c calc'!A1"
    written = "".join(batch_csv.write([Import(xpm_uuid=UUID(UUID_1), kind=ClientKind.ENTITY, name=name)]))
    header, row = csv.reader(io.StringIO(written))
    assert dict(zip(header, row, strict=True))["name"] == f"'{name}"
    assert all(line.startswith('"') and line.endswith('"\r\n') for line in written.splitlines(keepends=True))
    assert list(batch_file.read(written.encode())) == [(2, {"xpm_uuid": UUID_1, "kind": "entity", "name": name})]
