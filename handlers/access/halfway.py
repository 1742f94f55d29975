"""A sign-in whose password was right and whose second factor is still to be given.

It is no session and has a cookie of its own, so whatever asks for a session refuses it: between the two, nothing is within
reach but the page that asks for the second factor or sets it up. An account is known by the id of its login only.
"""

from __future__ import annotations

import secrets
from uuid import UUID

from handlers import refusals
from handlers.access.tokens import hashed
from portal_db.access import second_factors
from portal_db.database import Database, Tx

#: Long enough to install an app.
SECONDS = 30 * 60.0


def begin(tx: Tx, login_id: UUID) -> str:
    """Begin to wait. Returns the token for the browser; only its hash is stored."""
    token = secrets.token_urlsafe(32)
    second_factors.begin_sign_in(tx, login_id, hashed(token), seconds=SECONDS)
    return token


def login_of(database: Database, token: str) -> UUID:
    """The account that waits.

    Raises:
        RequestRefused: `sign_in_ended`.
    """
    with database.read() as tx:
        login_id = second_factors.login_of_sign_in(tx, hashed(token))
    if login_id is None:
        raise refusals.SIGN_IN_ENDED()
    return login_id


def end(tx: Tx, token: str) -> None:
    """End the waiting, once.

    Raises:
        RequestRefused: `sign_in_ended`, where it has ended already.
    """
    if not second_factors.end_sign_in(tx, hashed(token)):
        raise refusals.SIGN_IN_ENDED()
