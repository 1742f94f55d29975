"""A staff member's own passkeys, besides the authenticator app that they have set up: added, listed, removed."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from handlers import refusals
from handlers.access import passkeys, sign_in_log
from handlers.access.act import Actor
from handlers.access.caller import Caller
from handlers.access.origin import Origin
from handlers.access.passkeys import Site
from handlers.access.sign_in_log import SignInEvent
from portal_db.access import credentials, people, second_factors
from portal_db.access import passkeys as stored
from portal_db.database import Database, Tx
from portal_db.tables import Passkey


def listing(database: Database, caller: Caller) -> Sequence[Passkey]:
    with database.read() as tx:
        return stored.of(tx, _login_of(tx, caller))


def begin_adding(database: Database, site: Site, caller: Caller) -> str:
    """What the member's browser is asked to make a passkey with, as JSON.

    Raises:
        RequestRefused: they have no second factor yet, from which the recovery codes come.
    """
    with database.write() as tx:
        login_id = _login_of(tx, caller)
        if not second_factors.is_set_up(tx, login_id):
            raise refusals.SECOND_FACTOR_NOT_SET_UP()
        login, practice = credentials.login(tx, login_id), people.get_practice(tx, caller.practice_id)
        return passkeys.begin_adding(tx, site, login_id, name=login.email, issuer=practice.name if practice else "")


def add(database: Database, site: Site, caller: Caller, name: str, answer: str, origin: Origin) -> None:
    """Add the passkey that the member's device made.

    Raises:
        RequestRefused: as `handlers.access.passkeys.add`.
    """
    with database.write() as tx:
        passkeys.add(tx, site, _login_of(tx, caller), name, answer)
        _audit(tx, caller, "add_passkey")
        sign_in_log.note(tx, SignInEvent.PASSKEY_ADDED, caller, origin)


def remove(database: Database, caller: Caller, passkey_id: UUID, origin: Origin) -> None:
    """Remove one of the member's passkeys; it may be gone already."""
    with database.write() as tx:
        if stored.remove(tx, _login_of(tx, caller), passkey_id):
            _audit(tx, caller, "remove_passkey")
            sign_in_log.note(tx, SignInEvent.PASSKEY_REMOVED, caller, origin)


def _audit(tx: Tx, caller: Caller, act: str) -> None:
    Actor.of(caller.staff_id).audit(tx, f"second_factor.{act}", "staff", caller.staff_id, caller.practice_id)


def _login_of(tx: Tx, caller: Caller) -> UUID:
    staff = people.get_staff(tx, caller.staff_id, practice_id=caller.practice_id)
    if staff is None:
        raise refusals.UNKNOWN_STAFF()
    return staff.login_id
