"""Rows of a file that name a client as XPM does, in place of its id: found where one record only has the name, or the client
code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from config.folding import code_key, name_key
from handlers.access.caller import Caller
from handlers.directory.classification import suggested_kind
from handlers.directory.records import read_record
from handlers.directory.structures import words_of
from handlers.imports.batch_rows import BY_NAME, BadLine, Row
from handlers.xero.connection import require_connection
from portal_db.database import Database
from portal_db.directory import directories
from portal_db.directory import search as directory_search
from portal_db.tables import DirectoryRecord
from portal_db.xero import requester


def find(database: Database, caller: Caller, rows: Iterable[Row | BadLine]) -> Iterator[Row | BadLine]:
    """The rows, those that name a client with its id, and with its kind where they do not say it.

    Raises:
        JobError: the caller has no connection that works.
    """
    found = list(rows)
    keys = {key for row in found if not isinstance(row, BadLine) and _is_by_name(row[1]) for key in _keys(row[1])}
    with database.read() as tx:
        connection = require_connection(requester.staff_requester(tx, caller.practice_id, caller.staff_id))
        directory = directories.of(tx, connection.xero_login_id, connection.tenant_id)
        records = directory_search.of_names(tx, directory, keys) if directory is not None and keys else []
        words = words_of(tx, caller.practice_id)
    called: dict[str | None, list[DirectoryRecord]] = {}
    for record in records:
        for key in {record.name_key, record.code_key}:
            called.setdefault(key, []).append(record)
    for row in found:
        if isinstance(row, BadLine) or not _is_by_name(row[1]):
            yield row
            continue
        line, fields = row
        candidates = list({record.xpm_uuid: record for key in _keys(fields) for record in called.get(key, ())}.values())
        if len(candidates) != 1:
            yield BadLine(line, _SEVERAL if candidates else _NOBODY)
            continue
        kind = suggested_kind(read_record(candidates[0].record), words)
        rest = {name: value for name, value in fields.items() if name != BY_NAME}
        yield line, {"kind": kind, **rest, "xpm_uuid": candidates[0].xpm_uuid}


_SEVERAL = "more than one client in XPM has this name or client code."
_NOBODY = "no client in XPM has this name or client code, as far as your connection has been synced."


def _is_by_name(fields: dict[str, Any]) -> bool:
    return BY_NAME in fields and "xpm_uuid" not in fields


def _keys(fields: dict[str, Any]) -> set[str]:
    """What is written, as a name and as a client code."""
    written = str(fields[BY_NAME])
    return {key for key in (name_key(written), code_key(written)) if key}
