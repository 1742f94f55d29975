"""Xero logins' tokens: reading, the lease to refresh them, storing, refusing, and sealing them anew with another key.

Every change names the version it follows, so that an older answer never replaces newer tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select, update

from portal_db.database import Tx
from portal_db.dialect import upsert
from portal_db.states import ConnectionState
from portal_db.tables import XeroLogin, XpmConnection
from portal_db.types import db_now


@dataclass(frozen=True, slots=True)
class LoginNow:
    """A Xero login's row, and the database's time when it was read."""

    row: XeroLogin
    now: datetime


def load(tx: Tx, login_id: UUID) -> LoginNow:
    statement = select(XeroLogin, db_now()).where(XeroLogin.id == login_id)
    row, now = tx.session.execute(statement).one()
    return LoginNow(row, now)


def lease_refresh(tx: Tx, login_id: UUID, lease: UUID, *, version: int, seconds: float) -> bool:
    """Take the right to refresh this version.

    Returns:
        False while somebody has it or it is cooling down, and when Xero refused it or it is not the newest any more.
    """
    return _change(
        tx,
        _is(login_id, version),
        XeroLogin.refused_at.is_(None),
        or_(XeroLogin.refresh_lease.is_(None), XeroLogin.refresh_lease_until <= db_now()),
        or_(XeroLogin.cooling_until.is_(None), XeroLogin.cooling_until <= db_now()),
        refresh_lease=lease,
        refresh_lease_until=db_now(seconds),
    )


def store_refreshed(
    tx: Tx, login_id: UUID, lease: UUID, *, version: int, access: bytes, refresh: bytes | None, seconds: float
) -> bool:
    """Keep refreshed tokens as the next version. False when the lease went to somebody else, or newer ones came.

    A lease that ran out and that nobody took is still ours: what Xero gave last is what counts.
    """
    return _change(
        tx,
        _holds(login_id, lease, version),
        access_token=access,
        refresh_token=refresh,
        access_expires_at=db_now(seconds),
        updated_at=db_now(),
        version=XeroLogin.version + 1,
        refresh_failures=0,
        cooling_until=None,
        refused_at=None,
        **_NO_LEASE,
    )


def cool_down(tx: Tx, login_id: UUID, lease: UUID, *, seconds: float) -> bool:
    """Give the lease back after a failure, and let nobody take it for so long."""
    return _change(
        tx,
        and_(XeroLogin.id == login_id, XeroLogin.refresh_lease == lease),
        cooling_until=db_now(seconds),
        refresh_failures=XeroLogin.refresh_failures + 1,
        **_NO_LEASE,
    )


def refuse(tx: Tx, login_id: UUID, lease: UUID, *, version: int) -> bool:
    """Note that Xero refused this version for good. False when it is not ours to say: newer tokens or another lease."""
    return _change(tx, _holds(login_id, lease, version), refused_at=db_now(), **_NO_LEASE)


def forget(tx: Tx, login_id: UUID, *, version: int) -> bool:
    """Drop the tokens of a login that no live connection uses any more. False when one does, or newer tokens came."""
    return _change(
        tx,
        _is(login_id, version),
        ~has_live_connection(login_id),
        access_token=None,
        refresh_token=None,
        refused_at=db_now(),
        version=XeroLogin.version + 1,
        **_NO_LEASE,
    )


def has_live_connection(login_id: UUID, *, tenant_id: str | None = None) -> ColumnElement[bool]:
    """A connection that is not disconnected uses this login; with a tenant, to that tenant."""
    live = (
        select(XpmConnection.id)
        .where(XpmConnection.xero_login_id == login_id, XpmConnection.state != ConnectionState.DISCONNECTED)
        .limit(1)
    )
    if tenant_id is not None:
        live = live.where(XpmConnection.tenant_id == tenant_id)
    return live.exists()


def is_used(tx: Tx, login_id: UUID, *, tenant_id: str | None = None) -> bool:
    """Whether a live connection (to this tenant) uses the login."""
    return bool(tx.session.scalar(select(has_live_connection(login_id, tenant_id=tenant_id))))


def page(tx: Tx, *, after: UUID | None, limit: int) -> list[XeroLogin]:
    """Logins in the order of their ids, from the one after, locked until the transaction ends."""
    statement = select(XeroLogin).order_by(XeroLogin.id).limit(limit).with_for_update()
    statement = statement
    if after is not None:
        statement = statement.where(XeroLogin.id > after)
    return list(tx.session.scalars(statement))


def reseal(tx: Tx, login_id: UUID, *, version: int, access: bytes | None, refresh: bytes | None) -> bool:
    """Put the same tokens, encrypted with another key, in their own place. False when others are there by now."""
    return _change(tx, _is(login_id, version), access_token=access, refresh_token=refresh)


_NO_LEASE: dict[str, Any] = {"refresh_lease": None, "refresh_lease_until": None}


def _is(login_id: UUID, version: int) -> ColumnElement[bool]:
    return and_(XeroLogin.id == login_id, XeroLogin.version == version)


def _holds(login_id: UUID, lease: UUID, version: int) -> ColumnElement[bool]:
    return and_(_is(login_id, version), XeroLogin.refresh_lease == lease)


def _change(tx: Tx, *conditions: ColumnElement[bool], **values: Any) -> bool:
    statement = update(XeroLogin).where(*conditions).values(**values).returning(XeroLogin.id)
    return tx.session.scalar(statement) is not None


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
    return tx.session.get_one(XeroLogin, login_id)
