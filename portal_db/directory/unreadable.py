"""What could not be read in a directory's records: whole records, and values that were left out of records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from portal_db.database import Tx
from portal_db.dialect import count_rows
from portal_db.directory.directories import is_in
from portal_db.tables import Directory, DirectoryRecord


@dataclass(frozen=True, slots=True)
class Unread:
    """How many records XPM has in a form that cannot be read, how many were read without some of their values, and the first
    of those: their uuids and the names of the fields, never a value."""

    records: int
    incomplete: int
    fields: Sequence[tuple[UUID, Sequence[str]]]


def in_directory(tx: Tx, directory: Directory, *, limit: int) -> Unread:
    present = (is_in(directory), DirectoryRecord.gone_at.is_(None))
    omissions = DirectoryRecord.record["omissions"]
    left_out = omissions.as_string().is_not(None)
    records = count_rows(tx, *present, DirectoryRecord.unread_since.is_not(None))
    incomplete = count_rows(tx, *present, left_out)
    rows = select(DirectoryRecord.xpm_uuid, omissions).where(*present, left_out).order_by(DirectoryRecord.xpm_uuid)
    return Unread(records, incomplete, [(uuid, names) for uuid, names in tx.session.execute(rows.limit(limit))])
