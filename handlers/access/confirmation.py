"""Step-up: acts that give lasting power ask who acts to prove it again, unless they did within ten minutes.

They give a code of their second factor or unlock a passkey; who has no second factor gives their password. A session that
began at a remembered browser was not confirmed. Programs are not asked: each call proves an API key.
"""

from __future__ import annotations

from config.settings import Settings
from handlers import refusals
from handlers.access import account, mfa, passkeys, passwords, sign_in_log
from handlers.access.caller import AnyCaller
from handlers.access.origin import Origin
from handlers.access.passkeys import Site
from handlers.access.sessions import Session
from handlers.access.sign_in_log import SignInEvent
from handlers.access.tokens import hashed
from handlers.access.tries import Tries
from portal_db.access import credentials, second_factors
from portal_db.access.credentials import SignIn
from portal_db.database import Database, Tx

SECONDS = 10 * 60.0


def require(database: Database, session: Session) -> None:
    """Check that a session was confirmed recently.

    Raises:
        RequestRefused: `confirmation_needed`.
    """
    with database.read() as tx:
        if not credentials.is_confirmed(tx, session.kind, hashed(session.token), seconds=SECONDS):
            raise refusals.CONFIRMATION_NEEDED()


def confirm(
    database: Database,
    settings: Settings,
    tries: Tries,
    caller: AnyCaller,
    session: Session,
    given: str,
    *,
    origin: Origin,
) -> None:
    """Confirm the caller's session.

    Args:
        given: a code, where the caller has a second factor, else their password.

    Raises:
        RequestRefused: it is wrong, or the session is not theirs; or `TooManyTries` or `TooManyCodes`.
    """
    with database.read() as tx:
        login_id = _own(tx, caller, session).login.id
        has_second_factor = second_factors.is_set_up(tx, login_id)
    if has_second_factor:
        mfa.check(database, settings, login_id, caller, given, origin)
    else:
        passwords.require_own(database, tries, caller, session.token, given, origin=origin)
    with database.write() as tx:
        credentials.confirm_session(tx, session.kind, hashed(session.token))


def begin_passkey(database: Database, site: Site, caller: AnyCaller) -> str:
    """What the caller's browser is asked to sign with one of their passkeys, as JSON."""
    with database.write() as tx:
        return passkeys.begin_using(tx, site, account.of(tx, caller).login.id, passkeys.CONFIRM)


def confirm_by_passkey(
    database: Database, site: Site, caller: AnyCaller, session: Session, answer: str, *, origin: Origin
) -> None:
    """`confirm`, with a passkey's answer.

    Raises:
        RequestRefused: `bad_passkey`, or the session is not theirs.
    """
    with database.write() as tx:  # commits before it refuses: the challenge is used up
        is_proved = passkeys.is_proof(tx, site, _own(tx, caller, session).login.id, passkeys.CONFIRM, answer)
        if is_proved:
            credentials.confirm_session(tx, session.kind, hashed(session.token))
        else:
            sign_in_log.note(tx, SignInEvent.SECOND_FACTOR_FAILED, caller, origin)
    if not is_proved:
        raise refusals.BAD_PASSKEY()


def _own(tx: Tx, caller: AnyCaller, session: Session) -> SignIn:
    """The account of a caller whose session this is: what proves who somebody is confirms nobody else's.

    Raises:
        RequestRefused: `not_signed_in`: it is somebody else's, or has ended.
    """
    found = credentials.by_session(tx, session.kind, hashed(session.token))
    if found is None or found.owner != caller.owner:
        raise refusals.NOT_SIGNED_IN()
    return found
