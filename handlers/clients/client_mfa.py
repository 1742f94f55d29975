"""What owners and account admins do about the second factor of a client or co-owner who has lost it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from handlers import refusals
from handlers.access import sign_in_log
from handlers.access.act import Actor
from handlers.access.caller import Caller, Scope
from handlers.access.origin import Origin
from handlers.access.sign_in_log import SignInEvent
from handlers.clients.queries import Details, require_client, require_co_owner
from portal_db.access import credentials, second_factors
from portal_db.database import Database


def set_up_at(database: Database, caller: Caller, details: Details) -> dict[UUID, datetime]:
    """Since when the logins of a client's account, its co-owners' too, have a second factor, for those who may reset it."""
    if not caller.may(Scope.MANAGE):
        return {}
    logins = [details.entry.login, *(each.login for each in details.co_owners.values())]
    with database.read() as tx:
        found = {login.id: second_factors.get(tx, login.id) for login in logins if login is not None}
    return {login_id: one.set_up_at for login_id, one in found.items() if one is not None and one.set_up_at is not None}


def reset(
    database: Database, caller: Caller, client_id: UUID, origin: Origin, *, member_id: UUID | None = None
) -> None:
    """Take away the second factor of a client or co-owner. They are signed out, and set up another one where the practice
    mandates it.

    Args:
        member_id: the co-owner.

    Raises:
        RequestRefused: the caller is neither owner nor account admin, the client is not found or has no such co-owner, or
            there is nothing to reset.
    """
    caller.require(Scope.MANAGE)
    with database.write() as tx:
        login = require_client(tx, caller, client_id).login
        if member_id is not None:
            login = require_co_owner(tx, client_id, member_id).login
        if login is None or not second_factors.remove(tx, login.id):
            raise refusals.NO_SECOND_FACTOR()
        found = credentials.by_login(tx, login.id)
        credentials.end_sessions_of_login(tx, login.id)
        Actor.of(caller.staff_id).audit(tx, "second_factor.reset", "login", login.id, caller.practice_id)
        sign_in_log.note(tx, SignInEvent.SECOND_FACTOR_RESET, found, origin)
