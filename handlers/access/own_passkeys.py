"""Somebody's own passkeys: added, listed, removed. The first one may be their whole second factor, without an app."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from handlers import refusals
from handlers.access import account, mfa, passkeys, second_factor, sign_in_log
from handlers.access.caller import AnyCaller
from handlers.access.origin import Origin
from handlers.access.passkeys import Site
from handlers.access.sign_in_log import SignInEvent
from portal_db.access import passkeys as stored
from portal_db.access import second_factors
from portal_db.access.credentials import SignIn
from portal_db.database import Database, Tx
from portal_db.tables import Passkey


def listing(database: Database, caller: AnyCaller) -> Sequence[Passkey]:
    with database.read() as tx:
        return stored.of(tx, account.of(tx, caller).login.id)


def begin_adding(database: Database, site: Site, caller: AnyCaller) -> str:
    """What the member's browser is asked to make a passkey with, as JSON."""
    with database.write() as tx:
        return options(tx, site, account.of(tx, caller))


def options(tx: Tx, site: Site, found: SignIn) -> str:
    """What somebody's browser is asked to make a passkey with, as JSON."""
    name, issuer = mfa.name_and_issuer(tx, found)
    return passkeys.begin_adding(tx, site, found.login.id, name=name, issuer=issuer)


def add(database: Database, site: Site, caller: AnyCaller, name: str, answer: str, origin: Origin) -> list[str]:
    """Add the passkey that the member's device made.

    Returns:
        Recovery codes, if it is their first second factor.

    Raises:
        RequestRefused: as `handlers.access.passkeys.add`.
    """
    with database.write() as tx:
        found = account.of(tx, caller)
        if not second_factors.is_set_up(tx, found.login.id):
            return set_up(tx, site, found, name, answer, origin)
        passkeys.add(tx, site, found.login.id, name, answer)
        mfa.audit_own(tx, found, "add_passkey")
        sign_in_log.note(tx, SignInEvent.PASSKEY_ADDED, found, origin)
        return []


def set_up(tx: Tx, site: Site, found: SignIn, name: str, answer: str, origin: Origin) -> list[str]:
    """Set up somebody's second factor by a first passkey. Returns their recovery codes.

    Raises:
        RequestRefused: as `handlers.access.passkeys.add`, or they have a second factor already.
    """
    passkeys.add(tx, site, found.login.id, name, answer)
    codes = second_factor.set_up_without_app(tx, found.login.id)
    mfa.audit_own(tx, found, "set_up")
    sign_in_log.note(tx, SignInEvent.SECOND_FACTOR_SET_UP, found, origin, detail="passkey")
    return codes


def remove(database: Database, caller: AnyCaller, passkey_id: UUID, origin: Origin) -> None:
    """Remove one of the member's passkeys; it may be gone already.

    Raises:
        RequestRefused: it is all that their second factor consists of.
    """
    with database.write() as tx:
        found = account.of(tx, caller)
        factor = second_factors.lock(tx, found.login.id)
        if not stored.remove(tx, found.login.id, passkey_id):
            return
        has_app = factor is not None and factor.secret is not None
        if not has_app and not stored.has_any(tx, found.login.id):
            raise refusals.ONLY_SECOND_FACTOR()
        mfa.audit_own(tx, found, "remove_passkey")
        sign_in_log.note(tx, SignInEvent.PASSKEY_REMOVED, found, origin)
