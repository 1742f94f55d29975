"""Xero logins, connections to XPM tenants, and the records each login saw there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, exists, func, select, update
from sqlalchemy.orm import aliased

from portal_db.database import Tx
from portal_db.dialect import insert_or_ignore, upsert
from portal_db.states import ConnectionState, ImportState
from portal_db.tables import Client, Directory, DirectoryRecord, Import, Practice, Staff, XeroLogin, XpmConnection
from portal_db.types import db_now


def keep_xero_login(tx: Tx, row: dict[str, Any]) -> UUID:
    """Store a Xero login's tokens from a new consent, in place of older ones of the same Xero user.

    Whoever is refreshing the older ones finds their version gone and keeps nothing.

    Returns:
        The id of its one row.
    """
    fresh: dict[str, Any] = {
        "refresh_lease": None,
        "refresh_lease_until": None,
        "cooling_until": None,
        "refused_at": None,
    }
    fresh |= {"refresh_failures": 0}
    statement = upsert(tx, XeroLogin, {**row, **fresh, "version": 1, "updated_at": db_now()})
    given = ("access_token", "refresh_token", "access_expires_at", "updated_at", *fresh)
    changed = {name: statement.excluded[name] for name in given}
    statement = statement.on_conflict_do_update(
        index_elements=["xero_user_id"], set_={**changed, "version": XeroLogin.version + 1}
    )
    login_id: UUID = tx.session.execute(statement.returning(XeroLogin.id)).scalar_one()
    return login_id


def xero_login(tx: Tx, login_id: UUID) -> XeroLogin:
    return tx.session.get_one(XeroLogin, login_id, populate_existing=True)


def add_connection(tx: Tx, row: dict[str, Any]) -> bool:
    """Record a connection. False when the staff member has a live one: the unique index decides."""
    values = {**row, "state": ConnectionState.CONNECTED, "breaks": 0, "connected_at": db_now()}
    return tx.session.scalar(insert_or_ignore(tx, XpmConnection, values).returning(XpmConnection.id)) is not None


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asked for an import, where they work, and the connection that is theirs and not cut, as of `now`."""

    request: Import
    practice: Practice
    staff: Staff | None
    connection: XpmConnection | None
    xero_login: XeroLogin | None
    #: What that Xero login last saw of the record that is asked for, and nobody else's sight of it; and its directory.
    seen: DirectoryRecord | None
    directory: Directory | None
    #: The client that this import made; `None` also for one that brings more to a client who was there.
    made: UUID | None
    #: When an earlier import of the record came to nothing, so that somebody may have corrected it in XPM since.
    turned_down_at: datetime | None
    now: datetime


_earlier = aliased(Import)
_TURNED_DOWN_AT = (
    select(func.max(_earlier.closed_at))
    .where(
        _earlier.practice_id == Import.practice_id,
        _earlier.xpm_uuid == Import.xpm_uuid,
        _earlier.state.in_((ImportState.REJECTED, ImportState.FAILED)),
        _earlier.closed_at <= Import.created_at,
    )
    .correlate(Import)
    .scalar_subquery()
)

#: Built once: it is run for every job.
_REQUESTER = (
    select(
        Import,
        Practice,
        Staff,
        XpmConnection,
        XeroLogin,
        DirectoryRecord,
        Directory,
        Client.id,
        _TURNED_DOWN_AT,
        db_now(),
    )
    .join(Practice, Practice.id == Import.practice_id)
    .outerjoin(Staff, and_(Staff.id == Import.requested_by, Staff.practice_id == Import.practice_id))
    .outerjoin(
        XpmConnection,
        and_(XpmConnection.staff_id == Staff.id, XpmConnection.state != ConnectionState.DISCONNECTED),
    )
    .outerjoin(XeroLogin, XeroLogin.id == XpmConnection.xero_login_id)
    .outerjoin(
        DirectoryRecord,
        and_(
            DirectoryRecord.xero_login_id == XpmConnection.xero_login_id,
            DirectoryRecord.tenant_id == XpmConnection.tenant_id,
            DirectoryRecord.xpm_uuid == Import.xpm_uuid,
        ),
    )
    .outerjoin(
        Directory,
        and_(Directory.xero_login_id == XpmConnection.xero_login_id, Directory.tenant_id == XpmConnection.tenant_id),
    )
    .outerjoin(Client, Client.import_id == Import.id)
    .where(Import.id == bindparam("import_id"))
    .execution_options(populate_existing=True)
)


def requester(tx: Tx, import_id: UUID) -> Requester:
    """Everything that decides whether an import may go through, and through what, in one look."""
    found: Any = tx.session.execute(_REQUESTER, {"import_id": import_id}).one()
    return Requester(*found)


def connection(tx: Tx, connection_id: UUID) -> XpmConnection:
    return tx.session.get_one(XpmConnection, connection_id, populate_existing=True)


def keep_directory_record(
    tx: Tx, seen_through: XpmConnection, xpm_uuid: UUID, columns: Mapping[str, Any], as_of: datetime
) -> None:
    """Store a record unless a newer sight of it is there, or its directory was synced since.

    Args:
        columns: those of `directory_records` that come from the record itself.
    """
    login_id, tenant_id = seen_through.xero_login_id, seen_through.tenant_id
    row = {"xero_login_id": login_id, "tenant_id": tenant_id, "xpm_uuid": xpm_uuid}
    statement = upsert(tx, DirectoryRecord, {**row, **columns, "as_of": as_of, "first_seen_at": as_of})
    there_again = dict.fromkeys(("gone_at", "missing_since", "unread_since"))
    synced_since = exists().where(
        Directory.xero_login_id == login_id, Directory.tenant_id == tenant_id, Directory.cursor > as_of
    )
    tx.session.execute(
        statement.on_conflict_do_update(
            index_elements=["xero_login_id", "tenant_id", "xpm_uuid"],
            set_={**{name: statement.excluded[name] for name in (*columns, "as_of")}, **there_again},
            where=and_(DirectoryRecord.as_of < statement.excluded.as_of, ~synced_since),
        )
    )


def cut_connection(tx: Tx, connection_id: UUID) -> bool:
    """Mark a connection disconnected; its links stay, and nothing is fetched through it any more.

    Returns:
        False when it was disconnected already.
    """
    statement = (
        update(XpmConnection)
        .where(XpmConnection.id == connection_id, XpmConnection.state != ConnectionState.DISCONNECTED)
        .values(state=ConnectionState.DISCONNECTED, disconnected_at=db_now())
        .returning(XpmConnection.id)
    )
    return tx.session.scalar(statement.execution_options(synchronize_session=False)) is not None
