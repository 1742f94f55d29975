"""Links to set a password, printed by an operator or sent by email. Each works once. Callers pass hashes of tokens."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import delete, select, union_all, update

from portal_db.database import Tx
from portal_db.dialect import delete_rows, insert_or_replace, update_rows
from portal_db.tables import PasswordLink, PasswordReset
from portal_db.types import db_now


def put(tx: Tx, login_id: UUID, token_hash: str, *, seconds: float) -> None:
    """Record an operator's link; the earlier one for the login stops working."""
    row = {"login_id": login_id, "token_hash": token_hash, "ends_at": db_now(seconds)}
    insert_or_replace(tx, PasswordLink, row, changed=("token_hash", "ends_at"))


def live(tx: Tx, token_hash: str) -> UUID | None:
    """The login that a link is for; `None` when the link is unknown, used or expired."""
    statement = union_all(
        select(PasswordLink.login_id).where(PasswordLink.token_hash == token_hash, PasswordLink.ends_at > db_now()),
        select(PasswordReset.login_id).where(PasswordReset.token_hash == token_hash, PasswordReset.ends_at > db_now()),
    )
    return tx.session.scalar(statement)


def use(tx: Tx, token_hash: str, login_id: UUID) -> bool:
    """Use a link of this login, once. False when it is unknown, used or expired."""
    printed = delete(PasswordLink).where(
        PasswordLink.token_hash == token_hash, PasswordLink.login_id == login_id, PasswordLink.ends_at > db_now()
    )
    sent = (
        update(PasswordReset)
        .where(PasswordReset.token_hash == token_hash, PasswordReset.login_id == login_id)
        .where(PasswordReset.ends_at > db_now())
        .values(ends_at=db_now())
    )
    return any(
        tx.session.scalar(statement.returning(table.login_id)) is not None
        for statement, table in ((printed, PasswordLink), (sent, PasswordReset))
    )


def end_all(tx: Tx, login_id: UUID) -> None:
    """End every link of a login: it has a new password."""
    delete_rows(tx, PasswordLink, PasswordLink.login_id == login_id)
    is_live = (PasswordReset.login_id == login_id, PasswordReset.ends_at > db_now())
    update_rows(tx, PasswordReset, *is_live, ends_at=db_now())
