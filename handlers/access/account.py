"""The account of whoever is signed in, staff member or client: their login, and who they are at their practice."""

from __future__ import annotations

from handlers import refusals
from handlers.access.caller import AnyCaller, Caller
from portal_db.access import credentials, people
from portal_db.access.credentials import SignIn
from portal_db.database import Tx


def of(tx: Tx, caller: AnyCaller) -> SignIn:
    """The account of a caller.

    Raises:
        RequestRefused: they may not sign in (any more).
    """
    if isinstance(caller, Caller):
        staff = people.get_staff(tx, caller.staff_id, practice_id=caller.practice_id)
        login_id = staff.login_id if staff is not None else None
    else:
        login_id = caller.login_id
    found = credentials.by_login(tx, login_id) if login_id is not None else None
    if found is None:
        raise refusals.UNKNOWN_STAFF()
    return found
