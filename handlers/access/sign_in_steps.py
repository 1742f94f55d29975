"""What follows the password: a code, or setting the second factor up; then the session begins."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from config.settings import Settings
from handlers import refusals
from handlers.access import halfway, mfa, own_passkeys, passkeys, remembered, sessions, sign_in_log
from handlers.access.mfa import NextStep
from handlers.access.origin import Origin
from handlers.access.passkeys import Site
from handlers.access.second_factor import NewApp
from handlers.access.sessions import SignedIn
from handlers.access.sign_in_log import SignInEvent
from portal_db.access import credentials, second_factors
from portal_db.access import passkeys as stored
from portal_db.access.credentials import SignIn
from portal_db.database import Database, Tx


@dataclass(frozen=True)
class Waiting:
    """What a sign-in waits for, what the account has, and whether its browser may be remembered then."""

    step: NextStep | None
    has_app: bool
    has_passkeys: bool
    may_remember: bool


def waiting(database: Database, token: str) -> Waiting:
    """What a sign-in waits for now; no step if a password suffices meanwhile.

    Raises:
        RequestRefused: `sign_in_ended`.
    """
    login_id = halfway.login_of(database, token)
    with database.read() as tx:
        found, factor = _found(tx, login_id), second_factors.get(tx, login_id)
        has_app = factor is not None and factor.secret is not None
        return Waiting(mfa.next_step(tx, found), has_app, stored.has_any(tx, login_id), mfa.may_remember(tx, found))


def at_remembered_browser(
    database: Database,
    settings: Settings,
    token: str,
    cookie: str,
    origin: Origin,
    *,
    instead_of: str | None = None,
) -> SignedIn | None:
    """Begin the session of a sign-in at a browser where the second factor was given before, if the practice allows it.

    Returns:
        `None` when the browser is to be asked again.
    """
    login_id = halfway.login_of(database, token)
    with database.write() as tx:
        found = _found(tx, login_id)
        if not (mfa.may_remember(tx, found) and remembered.is_remembered(tx, settings, login_id, cookie)):
            return None
        return _finish(tx, token, found, origin, instead_of, by="remembered browser", is_confirmed=False)


def give_code(
    database: Database,
    settings: Settings,
    token: str,
    code: str,
    origin: Origin,
    *,
    remember: bool = False,
    instead_of: str | None = None,
) -> tuple[SignedIn, str | None]:
    """Begin the session of a sign-in that waits for a code.

    Args:
        remember: whether the person asks to have their browser remembered.

    Returns:
        The session, and the cookie of a browser that is remembered.

    Raises:
        RequestRefused: `sign_in_ended`, `bad_code`, or `TooManyCodes`.
    """
    login_id = halfway.login_of(database, token)
    with database.read() as tx:
        found = _found(tx, login_id)
    by = mfa.check(database, settings, login_id, found, code, origin)
    return _proved(database, settings, token, login_id, origin, by=by, remember=remember, instead_of=instead_of)


def begin_passkey(database: Database, site: Site, token: str) -> str:
    """What the browser of a sign-in is asked to sign with a passkey, as JSON.

    Raises:
        RequestRefused: `sign_in_ended`.
    """
    login_id = halfway.login_of(database, token)
    with database.write() as tx:
        return passkeys.begin_using(tx, site, login_id, passkeys.SIGN_IN)


def give_passkey(
    database: Database,
    settings: Settings,
    site: Site,
    token: str,
    answer: str,
    origin: Origin,
    *,
    remember: bool = False,
    instead_of: str | None = None,
) -> tuple[SignedIn, str | None]:
    """`give_code`, with a passkey's answer.

    Raises:
        RequestRefused: `sign_in_ended`, or `bad_passkey`.
    """
    login_id = halfway.login_of(database, token)
    with database.write() as tx:  # commits before it refuses: the challenge is used up
        is_proved = passkeys.is_proof(tx, site, login_id, passkeys.SIGN_IN, answer)
        if not is_proved:
            sign_in_log.note(tx, SignInEvent.SECOND_FACTOR_FAILED, _found(tx, login_id), origin)
    if not is_proved:
        raise refusals.BAD_PASSKEY()
    return _proved(database, settings, token, login_id, origin, by="passkey", remember=remember, instead_of=instead_of)


def app_to_set_up(database: Database, settings: Settings, token: str, *, sealed: str | None = None) -> NewApp:
    """The authenticator app that a sign-in sets up: a new one, or the one that was shown before.

    Raises:
        RequestRefused: `sign_in_ended`, or the one that was shown has expired.
    """
    login_id = halfway.login_of(database, token)
    with database.read() as tx:
        return mfa.app_of(tx, settings, _found(tx, login_id), sealed)


def set_up(
    database: Database,
    settings: Settings,
    token: str,
    sealed: str,
    code: str,
    origin: Origin,
    *,
    instead_of: str | None = None,
) -> tuple[SignedIn, list[str]]:
    """Set up the second factor and begin the session of a sign-in that waits for it. Also returns the recovery codes.

    Raises:
        RequestRefused: `sign_in_ended`, or as `handlers.access.second_factor.set_up`.
    """
    login_id = halfway.login_of(database, token)
    with database.write() as tx:
        found = _found(tx, login_id)
        codes = mfa.set_up(tx, settings, found, sealed, code, origin)
        return _finish(tx, token, found, origin, instead_of, by="app"), codes


def begin_passkey_set_up(database: Database, site: Site, token: str) -> str:
    """What the browser of a sign-in that sets its second factor up is asked to make a passkey with, as JSON.

    Raises:
        RequestRefused: `sign_in_ended`.
    """
    login_id = halfway.login_of(database, token)
    with database.write() as tx:
        return own_passkeys.options(tx, site, _found(tx, login_id))


def set_up_passkey(
    database: Database,
    site: Site,
    token: str,
    name: str,
    answer: str,
    origin: Origin,
    *,
    instead_of: str | None = None,
) -> tuple[SignedIn, list[str]]:
    """`set_up`, by a first passkey in place of an app.

    Raises:
        RequestRefused: `sign_in_ended`, or as `handlers.access.own_passkeys.set_up`.
    """
    login_id = halfway.login_of(database, token)
    with database.write() as tx:
        found = _found(tx, login_id)
        codes = own_passkeys.set_up(tx, site, found, name, answer, origin)
        return _finish(tx, token, found, origin, instead_of, by="passkey"), codes


def _proved(
    database: Database,
    settings: Settings,
    token: str,
    login_id: UUID,
    origin: Origin,
    *,
    by: str,
    remember: bool,
    instead_of: str | None,
) -> tuple[SignedIn, str | None]:
    with database.write() as tx:
        found = _found(tx, login_id)
        cookie = remembered.remember(tx, settings, login_id) if remember and mfa.may_remember(tx, found) else None
        return _finish(tx, token, found, origin, instead_of, by=by), cookie


def _finish(
    tx: Tx, token: str, found: SignIn, origin: Origin, instead_of: str | None, *, by: str, is_confirmed: bool = True
) -> SignedIn:
    halfway.end(tx, token)
    return sessions.begin(tx, found, origin, instead_of=instead_of, is_confirmed=is_confirmed, by=by)


def _found(tx: Tx, login_id: UUID) -> SignIn:
    found = credentials.by_login(tx, login_id)
    if found is None:
        raise refusals.SIGN_IN_ENDED()
    return found
