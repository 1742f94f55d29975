"""Which process holds a role such as the relay's: a lease row that runs out by the database's clock."""

from __future__ import annotations

from sqlalchemy import or_, true

from portal_db.database import Tx
from portal_db.dialect import has_row, insert_or_ignore, update_rows
from portal_db.tables import Leader
from portal_db.types import db_now

#: The role of the process that takes back expired leases and rings jobs; it also does the nightly work.
RELAY = "relay"


def hold(tx: Tx, role: str, owner: str, seconds: float) -> bool:
    """Take or keep a role for `seconds`. False while somebody else holds it.

    A lease that ends later than one that begins now was granted before the database's clock went back, and is void.
    """
    if insert_or_ignore(tx, Leader, {"role": role, "owner": owner, "until": db_now(seconds)}):
        return True
    is_void = or_(Leader.until < db_now(), Leader.until > db_now(seconds))
    is_free = (Leader.role == role, or_(Leader.owner == owner, is_void))
    return bool(update_rows(tx, Leader, *is_free, owner=owner, until=db_now(seconds)))


def give_up(tx: Tx, role: str, owner: str) -> None:
    """Give a role up, so that another process can take it at once."""
    update_rows(tx, Leader, Leader.role == role, Leader.owner == owner, until=db_now(-1))


def is_held(tx: Tx, role: str, *, by: str | None = None) -> bool:
    """Whether somebody, or this owner, holds a role now."""
    return has_row(tx, Leader.role == role, Leader.until >= db_now(), Leader.owner == by if by is not None else true())
