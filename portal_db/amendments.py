"""What a correction of an import writes: its inputs while there is no client, its client's login afterwards."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from portal_db.database import Tx
from portal_db.tables import Client, Import, Login


def set_inputs(tx: Tx, import_id: UUID, values: dict[str, Any]) -> None:
    """Change what a locked import asks for. The email that it was to take before does not count any more."""
    statement = update(Import).where(Import.id == import_id).values(**{"email_key": None, **values})
    tx.session.execute(statement.execution_options(synchronize_session=False))


def login_of(tx: Tx, client_id: UUID) -> Login | None:
    """A client's login, kept as it is until this transaction ends."""
    statement = select(Login).join(Client, Client.login_id == Login.id).where(Client.id == client_id)
    return tx.session.scalar(statement.with_for_update(of=Login).execution_options(populate_existing=True))


def change_email(tx: Tx, login_id: UUID, email: str, email_key: str) -> bool:
    """Give a login another address. False when a login of the platform holds it: the unique index decides (b.2)."""
    statement = update(Login).where(Login.id == login_id).values(email=email, email_key=email_key)
    try:
        with tx.session.begin_nested():
            tx.session.execute(statement.execution_options(synchronize_session=False))
    except IntegrityError:
        return False
    return True
