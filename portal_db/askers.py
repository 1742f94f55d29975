"""A staff member as XPM is asked on their behalf without an import: where they work, and the connection that is theirs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, select

from portal_db.database import Tx
from portal_db.states import ConnectionState
from portal_db.tables import Practice, Staff, XeroLogin, XpmConnection
from portal_db.types import db_now


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, and the connection of theirs that is not cut, as of `now`."""

    practice: Practice
    staff: Staff | None
    connection: XpmConnection | None
    xero_login: XeroLogin | None
    now: datetime


def of_staff(tx: Tx, practice_id: UUID, staff_id: UUID) -> Asker:
    statement = (
        select(Practice, Staff, XpmConnection, XeroLogin, db_now())
        .outerjoin(Staff, and_(Staff.practice_id == Practice.id, Staff.id == staff_id))
        .outerjoin(
            XpmConnection,
            and_(XpmConnection.staff_id == Staff.id, XpmConnection.state != ConnectionState.DISCONNECTED),
        )
        .outerjoin(XeroLogin, XeroLogin.id == XpmConnection.xero_login_id)
        .where(Practice.id == practice_id)
    )
    return Asker(*tx.session.execute(statement.execution_options(populate_existing=True)).one())
