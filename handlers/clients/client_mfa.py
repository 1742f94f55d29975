"""What owners and account admins do about the second factor of a client who has lost it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from handlers import refusals
from handlers.access import sign_in_log
from handlers.access.act import Actor
from handlers.access.caller import Caller, Scope
from handlers.access.origin import Origin
from handlers.access.sign_in_log import SignInEvent
from handlers.clients.queries import require_client
from portal_db.access import credentials, second_factors
from portal_db.database import Database


def set_up_at(database: Database, caller: Caller, client_id: UUID) -> datetime | None:
    """Since when a client has a second factor, for those who may reset it.

    Raises:
        RequestRefused: the client is not found or not visible to them.
    """
    if not caller.may(Scope.MANAGE):
        return None
    with database.read() as tx:
        login = require_client(tx, caller, client_id).login
        found = second_factors.get(tx, login.id) if login is not None else None
    return found.set_up_at if found is not None else None


def reset(database: Database, caller: Caller, client_id: UUID, origin: Origin) -> None:
    """Take away a client's second factor. They are signed out, and set up another one where the practice mandates it.

    Raises:
        RequestRefused: the caller is neither owner nor account admin, the client is not found, or there is nothing to reset.
    """
    caller.require(Scope.MANAGE)
    with database.write() as tx:
        login = require_client(tx, caller, client_id).login
        if login is None or not second_factors.remove(tx, login.id):
            raise refusals.NO_SECOND_FACTOR()
        found = credentials.by_login(tx, login.id)
        credentials.end_sessions_of_login(tx, login.id)
        Actor.of(caller.staff_id).audit(tx, "second_factor.reset", "login", login.id, caller.practice_id)
        sign_in_log.note(tx, SignInEvent.SECOND_FACTOR_RESET, found, origin)
