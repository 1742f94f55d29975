"""Guards of files that people upload: what cannot be read for certain is refused, and none of them is too much."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant

CSV = "handlers/imports/batch_csv.py"
EXCEL = "handlers/imports/batch_xlsx.py"
TEST = "tests/handlers/imports/test_batch_file.py"
TOO_MUCH = f"{TEST}::test_a_sheet_is_refused_at_what_is_too_much_of_it"

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
        (Edit(EXCEL, "min(self._archive.bytes_left, self._archive.marks_left) < 0", "self._archive.marks_left < 0"),),
        (f"{TEST}::test_an_excel_file_that_unpacks_to_too_much_is_refused_while_it_is_read",),
    ),
    Mutant(
        "xlsx-objects",
        "a part of an Excel file of which objects are made is small",
        "formats of 6 KB unpack to gigabytes of objects and minutes of work",
        (Edit(EXCEL, "        if len(content) > MAX_PART:\n", "        if False:\n"),),
        (
            f"{TEST}::test_a_part_of_which_objects_are_made_is_refused_by_its_size[formats]",
            f"{TEST}::test_a_part_of_which_objects_are_made_is_refused_by_its_size[workbook]",
        ),
    ),
    Mutant(
        "xlsx-marks",
        "the tags and attributes of an Excel file's rows are counted",
        "a small upload is millions of cells, each of which is looked at",
        (Edit(EXCEL, "min(self._archive.bytes_left, self._archive.marks_left) < 0", "self._archive.bytes_left < 0"),),
        (f"{TOO_MUCH}[rows]", f"{TOO_MUCH}[columns]"),
    ),
    Mutant(
        "xlsx-row",
        "a row of an Excel file is read no further than its cells may go",
        "one row of millions of cells is held in memory",
        (Edit(EXCEL, " or self._element > MAX_ELEMENT", ""),),
        (f"{TOO_MUCH}[cells of a row]",),
    ),
    Mutant(
        "xlsx-token",
        "a tag or a text of an Excel file is read no further than it may go",
        "the parser begins a tag of 16 MB again with each 16 KB",
        (Edit(EXCEL, " or self._token > MAX_PART", ""),),
        (f"{TOO_MUCH}[a text]",),
    ),
    Mutant(
        "xlsx-columns",
        "a value in a column far to the right is refused",
        "a value that somebody has entered is dropped silently",
        (Edit(EXCEL, "MAX_COLUMNS + 1)\n", "MAX_COLUMNS)\n"),),
        (f"{TEST}::test_a_value_beyond_the_columns_of_an_excel_file_is_refused_and_an_empty_cell_ignored",),
    ),
    Mutant(
        "xlsx-compression",
        "an Excel file that is compressed by bzip2 or LZMA is refused",
        "64 KB of it are unpacked to a GB at once",
        (Edit(EXCEL, "{zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:", "{*range(99)}:"),),
        (f"{TEST}::test_an_excel_file_is_refused_if_it_is_compressed_as_zipfile_unpacks_without_a_bound",),
    ),
    Mutant(
        "xlsx-rows",
        "an Excel file is read to a bound of rows",
        "a sheet of a million rows holds up the web process",
        (Edit(EXCEL, "        if number > MAX_LINES:\n", "        if False:\n"),),
        (f"{TEST}::test_an_excel_file_with_more_rows_than_a_batch_is_not_read_to_its_end",),
    ),
    Mutant(
        "left-out-rows",
        "the rows that a form leaves out are read no further than a batch goes",
        "16 MB of commas hold up the web process for half a minute",
        (Edit("web/pages/add_clients/new_batch.py", '.split(",", MAX_BATCH)[:MAX_BATCH]', '.split(",")'),),
        ("tests/web/pages/imports/test_batch.py::test_rows_left_out_are_read_no_further_than_a_batch_goes",),
    ),
    Mutant(
        "upload-stays-in-memory",
        "an uploaded file is never written to a disk",
        "P19: names of clients are left in a folder for temporary files; where there is none, the page fails",
        (Edit("web/pages/frame/forms.py", "MultiPartParser.spool_max_size = sys.maxsize\n", "sys.maxsize\n"),),
        ("tests/web/pages/imports/test_batch.py::test_a_large_csv_fits_and_travels_through_the_check",),
    ),
    Mutant(
        "excel-empty-elements",
        "nothing is kept of an element of an Excel file once it has been read",
        "a file of 6 KB takes 126 MB of a web process's memory",
        (Edit(EXCEL, "                    if around:\n", "                    if False:\n"),),
        (f"{TEST}::test_nothing_is_kept_of_the_empty_elements_of_an_excel_file",),
    ),
)
