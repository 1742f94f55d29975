"""A staff member's own passkeys, besides the authenticator app that they have set up: added, listed, removed."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from handlers import refusals
from handlers.access import mfa, passkeys, sign_in_log
from handlers.access.caller import Caller
from handlers.access.origin import Origin
from handlers.access.passkeys import Site
from handlers.access.sign_in_log import SignInEvent
from portal_db.access import passkeys as stored
from portal_db.access import second_factors
from portal_db.database import Database
from portal_db.tables import Passkey


def listing(database: Database, caller: Caller) -> Sequence[Passkey]:
    with database.read() as tx:
        return stored.of(tx, mfa.staff_row(tx, caller).login_id)


def begin_adding(database: Database, site: Site, caller: Caller) -> str:
    """What the member's browser is asked to make a passkey with, as JSON.

    Raises:
        RequestRefused: they have no second factor yet, from which the recovery codes come.
    """
    with database.write() as tx:
        staff = mfa.staff_row(tx, caller)
        if not second_factors.is_set_up(tx, staff.login_id):
            raise refusals.SECOND_FACTOR_NOT_SET_UP()
        name, issuer = mfa.name_and_issuer(tx, staff)
        return passkeys.begin_adding(tx, site, staff.login_id, name=name, issuer=issuer)


def add(database: Database, site: Site, caller: Caller, name: str, answer: str, origin: Origin) -> None:
    """Add the passkey that the member's device made.

    Raises:
        RequestRefused: as `handlers.access.passkeys.add`.
    """
    with database.write() as tx:
        staff = mfa.staff_row(tx, caller)
        passkeys.add(tx, site, staff.login_id, name, answer)
        mfa.audit_own(tx, staff, "add_passkey")
        sign_in_log.note(tx, SignInEvent.PASSKEY_ADDED, staff, origin)


def remove(database: Database, caller: Caller, passkey_id: UUID, origin: Origin) -> None:
    """Remove one of the member's passkeys; it may be gone already."""
    with database.write() as tx:
        staff = mfa.staff_row(tx, caller)
        if stored.remove(tx, staff.login_id, passkey_id):
            mfa.audit_own(tx, staff, "remove_passkey")
            sign_in_log.note(tx, SignInEvent.PASSKEY_REMOVED, staff, origin)
