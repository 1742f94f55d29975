"""Which process holds a role such as the relay's: a lease row, judged by the database's clock."""

from __future__ import annotations

from sqlalchemy import or_, select, update

from portal_db.database import Tx
from portal_db.dialect import insert_or_ignore
from portal_db.tables import Leader
from portal_db.types import db_now

#: The role of the process that takes back leases and rings; the nightly work is its leader's too.
RELAY = "relay"


def hold(tx: Tx, role: str, owner: str, seconds: float) -> bool:
    """Take or keep a role for so long. False while somebody else holds it."""
    row = {"role": role, "owner": owner, "until": db_now(seconds)}
    if tx.session.scalar(insert_or_ignore(tx, Leader, row).returning(Leader.role)) is not None:
        return True
    statement = (
        update(Leader)
        .where(Leader.role == role, or_(Leader.owner == owner, Leader.until < db_now()))
        .values(owner=owner, until=db_now(seconds))
        .returning(Leader.role)
    )
    return tx.session.scalar(statement) is not None


def give_up(tx: Tx, role: str, owner: str) -> None:
    """Let the next one in at once."""
    tx.session.execute(update(Leader).where(Leader.role == role, Leader.owner == owner).values(until=db_now(-1)))


def is_held(tx: Tx, role: str, *, by: str | None = None) -> bool:
    """Whether somebody, or this very owner, holds a role now."""
    statement = select(Leader.role).where(Leader.role == role, Leader.until >= db_now())
    if by is not None:
        statement = statement.where(Leader.owner == by)
    return tx.session.scalar(statement) is not None
