"""Which process holds a role such as the relay's: a lease row that runs out by the database's clock.

A lease that was renewed in the future is void: the clock has gone back since, and nobody knows whether its owner lives.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, or_, true

from portal_db.database import Tx
from portal_db.dialect import has_row, insert_or_ignore, update_rows
from portal_db.tables import Leader
from portal_db.types import db_now

#: The role of the process that takes back expired leases and rings jobs; it also does the nightly work.
RELAY = "relay"


def hold(tx: Tx, role: str, owner: str, seconds: float) -> bool:
    """Take or keep a role for `seconds`. False while somebody else holds it."""
    lease = {"owner": owner, "renewed_at": db_now(), "until": db_now(seconds)}
    if insert_or_ignore(tx, Leader, {"role": role, **lease}):
        return True
    is_free = (Leader.role == role, or_(Leader.owner == owner, ~is_valid()))
    return bool(update_rows(tx, Leader, *is_free, **lease))


def give_up(tx: Tx, role: str, owner: str) -> None:
    """Give a role up, so that another process can take it at once."""
    update_rows(tx, Leader, Leader.role == role, Leader.owner == owner, until=db_now(-1))


def is_held(tx: Tx, role: str, *, by: str | None = None) -> bool:
    """Whether somebody, or this owner, holds a role now."""
    return has_row(tx, Leader.role == role, is_valid(), Leader.owner == by if by is not None else true())


def is_valid() -> ColumnElement[bool]:
    """Whether a lease has neither run out nor outlived a clock that went back."""
    return and_(Leader.until >= db_now(), or_(Leader.renewed_at.is_(None), Leader.renewed_at <= db_now()))
