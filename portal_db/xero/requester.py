"""Who requests something of XPM, the connection and Xero login it goes through, and what that login last saw there."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, func, select
from sqlalchemy.orm import load_only

from portal_db.aliases import alias_of
from portal_db.bulk import confined, one_of
from portal_db.database import Tx
from portal_db.states import ImportState
from portal_db.tables import (
    Client,
    Directory,
    DirectoryRecord,
    Erasure,
    Import,
    Practice,
    Staff,
    XeroLogin,
    XpmConnection,
    is_live_connection,
    same_directory,
)
from portal_db.types import db_now


@dataclass(frozen=True, slots=True)
class Requester:
    """Who requested an import, their practice, and their connection unless it is disconnected, as of `now`."""

    request: Import
    practice: Practice
    staff: Staff | None
    connection: XpmConnection | None
    xero_login: XeroLogin | None
    #: The requested record as this Xero login last saw it (no other login's copy), and the login's directory.
    record: DirectoryRecord | None
    directory: Directory | None
    #: The client that this import created; `None` also when it adds to a client that existed before.
    created_client_id: UUID | None
    #: When an earlier import of the record was rejected or failed: somebody may have corrected the record in XPM since.
    last_rejected_at: datetime | None
    #: When the person of the record was erased, unless the practice has imported them again.
    erased_at: datetime | None
    now: datetime


_earlier = alias_of(Import)
_LAST_REJECTED_AT = (
    select(func.max(_earlier.closed_at))
    .where(
        _earlier.xpm_uuid == Import.xpm_uuid,
        confined(_earlier.practice_id, Import.practice_id),
        _earlier.state.in_((ImportState.REJECTED, ImportState.FAILED)),
        _earlier.closed_at <= Import.created_at,
    )
    .correlate(Import)
    .scalar_subquery()
)

_CREATED_CLIENT_ID = select(Client.id).where(Client.import_id == Import.id).correlate(Import).scalar_subquery()
_ERASED_AT = (
    select(Erasure.erased_at)
    .where(Erasure.practice_id == Import.practice_id, Erasure.xpm_uuid == Import.xpm_uuid)
    .correlate(Import)
    .scalar_subquery()
)

#: What decides about an import, and what was seen of its record.
_DECIDES = (Import.id, Import.xpm_uuid, Import.client_id, Import.epoch, Import.epoch_started_at, Import.created_at)
_SEEN = (
    *(DirectoryRecord.record, DirectoryRecord.as_of),
    *(DirectoryRecord.gone_at, DirectoryRecord.missing_since, DirectoryRecord.unread_since),
)
#: Built once, because it runs for every job. What is not needed as a row is no join, which would have to be planned.
_REQUESTER = (
    select(
        Import,
        Practice,
        Staff,
        XpmConnection,
        XeroLogin,
        DirectoryRecord,
        Directory,
        _CREATED_CLIENT_ID,
        _LAST_REJECTED_AT,
        _ERASED_AT,
        db_now(),
    )
    .join(Practice, Practice.id == Import.practice_id)
    .outerjoin(Staff, and_(Staff.id == Import.requested_by, Staff.practice_id == Import.practice_id))
    .outerjoin(XpmConnection, and_(XpmConnection.staff_id == Staff.id, is_live_connection))
    .outerjoin(XeroLogin, XeroLogin.id == XpmConnection.xero_login_id)
    .outerjoin(
        DirectoryRecord,
        and_(same_directory(DirectoryRecord, XpmConnection), DirectoryRecord.xpm_uuid == Import.xpm_uuid),
    )
    .outerjoin(Directory, same_directory(Directory, XpmConnection))
    .where(one_of(Import.id, "import_ids"))
    .options(load_only(*_DECIDES), load_only(*_SEEN))
)


def requester(tx: Tx, import_id: UUID) -> Requester:
    return requesters(tx, [import_id])[import_id]


def requesters(tx: Tx, import_ids: Collection[UUID]) -> dict[UUID, Requester]:
    """Read everything that decides whether imports may go ahead, and through which connections, by one query."""
    found: Any = tx.session.execute(_REQUESTER, {"import_ids": list(import_ids)})
    return {each.request.id: each for each in (Requester(*row) for row in found)}


@dataclass(frozen=True, slots=True)
class StaffRequester:
    """A staff member, their practice, and their connection unless it is disconnected, as of `now`."""

    practice: Practice
    staff: Staff | None
    connection: XpmConnection | None
    xero_login: XeroLogin | None
    now: datetime


_STAFF_REQUESTER = (
    select(Practice, Staff, XpmConnection, XeroLogin, db_now())
    .outerjoin(Staff, and_(confined(Staff.practice_id, Practice.id), one_of(Staff.id, "staff_ids")))
    .outerjoin(XpmConnection, and_(XpmConnection.staff_id == Staff.id, is_live_connection))
    .outerjoin(XeroLogin, XeroLogin.id == XpmConnection.xero_login_id)
    .where(Practice.id == bindparam("practice_id"))
)


def staff_requester(tx: Tx, practice_id: UUID, staff_id: UUID) -> StaffRequester:
    values = {"practice_id": practice_id, "staff_ids": [staff_id]}
    return StaffRequester(*tx.session.execute(_STAFF_REQUESTER, values).one())


def staff_requesters(tx: Tx, practice_id: UUID, staff_ids: Collection[UUID]) -> dict[UUID, StaffRequester]:
    """Those of these who are staff of the practice."""
    found: Any = tx.session.execute(_STAFF_REQUESTER, {"practice_id": practice_id, "staff_ids": list(staff_ids)})
    each_one = (StaffRequester(*row) for row in found)
    return {each.staff.id: each for each in each_one if each.staff is not None}
