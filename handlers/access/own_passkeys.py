"""Somebody's own passkeys, besides the authenticator app that they have set up: added, listed, removed."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from handlers import refusals
from handlers.access import account, mfa, passkeys, sign_in_log
from handlers.access.caller import AnyCaller
from handlers.access.origin import Origin
from handlers.access.passkeys import Site
from handlers.access.sign_in_log import SignInEvent
from portal_db.access import passkeys as stored
from portal_db.access import second_factors
from portal_db.database import Database
from portal_db.tables import Passkey


def listing(database: Database, caller: AnyCaller) -> Sequence[Passkey]:
    with database.read() as tx:
        return stored.of(tx, account.of(tx, caller).login.id)


def begin_adding(database: Database, site: Site, caller: AnyCaller) -> str:
    """What the member's browser is asked to make a passkey with, as JSON.

    Raises:
        RequestRefused: they have no second factor yet, from which the recovery codes come.
    """
    with database.write() as tx:
        found = account.of(tx, caller)
        if not second_factors.is_set_up(tx, found.login.id):
            raise refusals.SECOND_FACTOR_NOT_SET_UP()
        name, issuer = mfa.name_and_issuer(tx, found)
        return passkeys.begin_adding(tx, site, found.login.id, name=name, issuer=issuer)


def add(database: Database, site: Site, caller: AnyCaller, name: str, answer: str, origin: Origin) -> None:
    """Add the passkey that the member's device made.

    Raises:
        RequestRefused: as `handlers.access.passkeys.add`.
    """
    with database.write() as tx:
        found = account.of(tx, caller)
        passkeys.add(tx, site, found.login.id, name, answer)
        mfa.audit_own(tx, found, "add_passkey")
        sign_in_log.note(tx, SignInEvent.PASSKEY_ADDED, found, origin)


def remove(database: Database, caller: AnyCaller, passkey_id: UUID, origin: Origin) -> None:
    """Remove one of the member's passkeys; it may be gone already."""
    with database.write() as tx:
        found = account.of(tx, caller)
        if stored.remove(tx, found.login.id, passkey_id):
            mfa.audit_own(tx, found, "remove_passkey")
            sign_in_log.note(tx, SignInEvent.PASSKEY_REMOVED, found, origin)
