"""Guards of files that people upload: what cannot be read for certain is refused, and none of them is too much."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant

CSV = "handlers/imports/batch_csv.py"
EXCEL = "handlers/imports/batch_xlsx.py"
TEST = "tests/handlers/imports/test_batch_file.py"

MUTANTS = (
    Mutant(
        "csv-formula",
        "a cell that begins like a formula is marked as text, whatever the program divides cells by",
        "a client's name runs a command on the computer of the staff member who opens the result",
        (Edit("handlers/imports/batch_rows.py", "uff20\\t\\r\\n,;|", "uff20\\t\\r\\n"),),
        (f"{TEST}::test_no_spreadsheet_takes_a_written_name_for_a_formula_and_it_is_read_back_as_it_was[;=]",),
    ),
    Mutant(
        "csv-quoted",
        "every cell of a CSV is quoted",
        "a name with a semicolon becomes two cells, of which the second is a formula",
        (Edit(CSV, "csv.writer(line, quoting=csv.QUOTE_ALL)", "csv.writer(line)"),),
        (f"{TEST}::test_no_spreadsheet_takes_a_written_name_for_a_formula_and_it_is_read_back_as_it_was[|=]",),
    ),
    Mutant(
        "csv-sure-encoding",
        "Windows-1252 is read only where it can be nothing else",
        "names in another encoding are imported as gibberish",
        (Edit(CSV, "if encoding is None and _is_western(content):", "if encoding is None:"),),
        (f"{TEST}::test_a_file_that_cannot_be_read_says_where_and_what[an old Mac]",),
    ),
    Mutant(
        "csv-nameless-column",
        "a value in a column without a name is refused",
        "a value that somebody has entered is dropped silently",
        (Edit("handlers/imports/batch_rows.py", "if cell and not _name(header, number)", "if not header"),),
        (f"{TEST}::test_a_value_in_a_column_without_a_name_is_named",),
    ),
    Mutant(
        "xlsx-bomb",
        "an Excel file's bytes are counted while they are unpacked",
        "a small upload fills the web process's memory",
        (Edit(EXCEL, "                        if left < 0:\n", "                        if False:\n"),),
        (f"{TEST}::test_an_excel_file_that_unpacks_to_too_much_is_refused_while_it_is_read",),
    ),
    Mutant(
        "xlsx-rows",
        "an Excel file is read to a bound of rows",
        "a sheet of a million rows holds up the web process",
        (Edit(EXCEL, "max_row=MAX_LINES, ", ""),),
        (f"{TEST}::test_an_excel_file_with_more_rows_than_a_batch_is_not_read_to_its_end",),
    ),
    Mutant(
        "upload-stays-in-memory",
        "an uploaded file is never written to a disk",
        "P19: names of clients are left in a folder for temporary files; where there is none, the page fails",
        (Edit("web/pages/frame/forms.py", "MultiPartParser.spool_max_size = sys.maxsize\n", "sys.maxsize\n"),),
        ("tests/web/pages/imports/test_batch.py::test_a_large_csv_fits_and_travels_through_the_check",),
    ),
)
