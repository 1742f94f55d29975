"""Xero logins' tokens: reading, the lease to refresh them, storing, refusing, and encrypting them with another key.

Every change names the version it follows, so an older answer never replaces newer tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute

from portal_db.database import Tx
from portal_db.dialect import has_row, update_rows, upsert
from portal_db.paging import by_id
from portal_db.tables import XeroConsent, XeroLogin, XpmConnection, is_live_connection
from portal_db.types import db_now, has_ended


@dataclass(frozen=True, slots=True)
class LoginWithTime:
    """A Xero login's row, and the database's time when it was read."""

    row: XeroLogin
    now: datetime


def load(tx: Tx, login_id: UUID) -> LoginWithTime:
    return LoginWithTime(*tx.session.execute(select(XeroLogin, db_now()).where(XeroLogin.id == login_id)).one())


def lease_refresh(tx: Tx, login_id: UUID, lease: UUID, *, version: int, seconds: float, longest_cooling: float) -> bool:
    """Take the lease to refresh this version.

    Args:
        longest_cooling: for how many seconds a login cools down at most.

    Returns:
        False while somebody else holds it, while the login cools down, and when Xero refused the version or it is no longer
        the newest.
    """
    changed = update_rows(
        tx,
        XeroLogin,
        _is(login_id, version),
        XeroLogin.refused_at.is_(None),
        has_ended(XeroLogin.refresh_lease_until, seconds),
        has_ended(XeroLogin.cooling_until, longest_cooling),
        refresh_lease=lease,
        refresh_lease_until=db_now(seconds),
    )
    return bool(changed)


def store_refreshed(
    tx: Tx, login_id: UUID, lease: UUID, *, version: int, access: bytes, refresh: bytes | None, seconds: float
) -> bool:
    """Store refreshed tokens as the next version. False when somebody else took the lease, or newer tokens were stored.

    A lease that expired but that nobody took still counts: the last tokens from Xero are the valid ones.
    """
    changed = update_rows(
        tx,
        XeroLogin,
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
    return bool(changed)


def cool_down(tx: Tx, login_id: UUID, lease: UUID, *, seconds: float) -> bool:
    """Give the lease back after a failure, and allow no refresh for `seconds`."""
    is_ours = (XeroLogin.id == login_id, XeroLogin.refresh_lease == lease)
    values = {"cooling_until": db_now(seconds), "refresh_failures": XeroLogin.refresh_failures + 1, **_NO_LEASE}
    return bool(update_rows(tx, XeroLogin, *is_ours, **values))


def refuse(tx: Tx, login_id: UUID, lease: UUID, *, version: int) -> bool:
    """Record that Xero refused this version for good. False when there are newer tokens, or somebody else has the lease."""
    return bool(update_rows(tx, XeroLogin, _holds(login_id, lease, version), refused_at=db_now(), **_NO_LEASE))


def delete_tokens(tx: Tx, login_id: UUID, *, version: int) -> bool:
    """Delete the tokens of a login that nothing needs. False when something does, or there are newer tokens."""
    changed = update_rows(
        tx,
        XeroLogin,
        _is(login_id, version),
        ~is_needed(login_id),
        access_token=None,
        refresh_token=None,
        refused_at=db_now(),
        version=XeroLogin.version + 1,
        **_NO_LEASE,
    )
    return bool(changed)


def is_needed(login_id: UUID | InstrumentedAttribute[UUID], *, tenant_id: str | None = None) -> ColumnElement[bool]:
    """A live connection (to this tenant) uses the login, or somebody may still choose a practice that it gives access to."""
    of_tenant = XpmConnection.tenant_id == tenant_id if tenant_id is not None else true()
    return or_(
        exists().where(XpmConnection.xero_login_id == login_id, is_live_connection, of_tenant),
        exists().where(XeroConsent.xero_login_id == login_id, XeroConsent.expires_at > db_now()),
    )


def is_used(tx: Tx, login_id: UUID, *, tenant_id: str | None = None) -> bool:
    """Whether `is_needed` holds now."""
    return has_row(tx, is_needed(login_id, tenant_id=tenant_id))


def page(tx: Tx, *, after: UUID | None, limit: int) -> list[XeroLogin]:
    """Logins in the order of ids, locked until the transaction ends."""
    statement = by_id(select(XeroLogin), XeroLogin.id, after=after, limit=limit)
    return list(tx.session.scalars(statement.with_for_update()))


def newest(tx: Tx, *, limit: int) -> list[XeroLogin]:
    """The logins whose tokens were stored last."""
    return list(tx.session.scalars(select(XeroLogin).order_by(XeroLogin.updated_at.desc()).limit(limit)))


def reseal(tx: Tx, login_id: UUID, *, version: int, access: bytes | None, refresh: bytes | None) -> bool:
    """Store the same tokens, encrypted with another key. False when the stored tokens have changed meanwhile."""
    return bool(update_rows(tx, XeroLogin, _is(login_id, version), access_token=access, refresh_token=refresh))


_NO_LEASE: dict[str, Any] = {"refresh_lease": None, "refresh_lease_until": None}


def _is(login_id: UUID, version: int) -> ColumnElement[bool]:
    return and_(XeroLogin.id == login_id, XeroLogin.version == version)


def _holds(login_id: UUID, lease: UUID, version: int) -> ColumnElement[bool]:
    return and_(_is(login_id, version), XeroLogin.refresh_lease == lease)


def store_consented(tx: Tx, row: dict[str, Any]) -> UUID:
    """Store a Xero login's tokens from a new consent, replacing older tokens of the same Xero user.

    A refresh of the older tokens that is under way finds their version gone and stores nothing.

    Returns:
        The id of the login's row.
    """
    fresh = {**_NO_LEASE, "cooling_until": None, "refused_at": None, "refresh_failures": 0}
    statement = upsert(tx, XeroLogin, {**row, **fresh, "version": 1, "updated_at": db_now()})
    given = ("access_token", "refresh_token", "access_expires_at", "updated_at", *fresh)
    changed = {name: statement.excluded[name] for name in given}
    statement = statement.on_conflict_do_update(
        index_elements=["xero_user_id"], set_={**changed, "version": XeroLogin.version + 1}
    )
    login_id: UUID = tx.session.execute(statement.returning(XeroLogin.id)).scalar_one()
    return login_id
