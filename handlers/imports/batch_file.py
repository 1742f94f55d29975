"""Reads a file of rows for a batch, CSV or Excel: one reader for the pages, the API and the command line."""

from __future__ import annotations

from collections.abc import Iterator

from handlers.imports import batch_csv, batch_rows, batch_xlsx
from handlers.imports.batch_rows import BadFile, BadLine, Row


def read(content: bytes) -> Iterator[Row | BadLine]:
    """Read rows as fields by column name, each with its line number.

    Raises:
        BadFile: it cannot be read, or its header is not valid.
    """
    if content.startswith(batch_xlsx.OLD_MARK):
        raise BadFile("is an old or protected Excel file: save it as .xlsx without a password, or as CSV UTF-8")
    if content.startswith(batch_xlsx.MARK):
        yield from batch_rows.read(batch_xlsx.table(content))
        return
    try:
        yield from batch_rows.read(batch_csv.table(batch_csv.decode(content)))
    except BadLine as bad:
        yield bad
