"""Passwords of staff and clients: argon2id, set through a link, by their owner or by an operator, never shown or sent."""

from __future__ import annotations

import secrets
import unicodedata
from functools import cache
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from config.settings import Settings
from handlers import refusals
from handlers.access import account, password_rules, sign_in_log
from handlers.access.caller import AnyCaller
from handlers.access.origin import Origin
from handlers.access.sign_in_log import SignInEvent
from handlers.access.tokens import hashed
from handlers.access.tries import Attempt, Tries
from portal_db import audit
from portal_db.access import credentials, password_links, people
from portal_db.database import Database, Tx
from portal_db.states import ActorKind
from portal_db.tables import Login

LINK_SECONDS = 3 * 24 * 3600.0
LINK_PATH = "/set-password"

_hasher = PasswordHasher()


@cache
def _dummy_hash() -> str:
    """A hash to check where there is no login, so that response times do not reveal who has one. Made on first use: it takes
    a fifth of a second, which every command would otherwise wait for."""
    return _hasher.hash(secrets.token_hex(16))


def fits(password_hash: str | None, password: str) -> bool:
    """Whether this is the password. Takes as long when there is no hash. Needs 64 MiB for a moment, so the web process
    checks only a few at once (`web/hashing.py`)."""
    dummy = _dummy_hash()
    try:
        return _hasher.verify(password_hash or dummy, _normal(password)) and password_hash is not None
    except (Argon2Error, InvalidHashError):
        return False


def set_password(database: Database, staff_id: UUID, practice_id: UUID, password: str) -> None:
    """Set a staff member's password by hand; their sessions end.

    Raises:
        RequestRefused: the password does not fit the rules, or nobody with this id works there.
    """
    with database.read() as tx:
        login_id = _login_of(tx, staff_id, practice_id)
        known = credentials.known_about(tx, login_id)
    password_rules.require(password, known)
    made = hash_of(password)
    with database.write() as tx:
        _set(tx, login_id, made, SignInEvent.PASSWORD_SET_BY_OPERATOR, origin=None)


def issue_link(database: Database, settings: Settings, staff_id: UUID, practice_id: UUID) -> str:
    """A link with which a staff member can set their password, once, within three days.

    Raises:
        RequestRefused: nobody with this id works there.
    """
    with database.read() as tx:
        login_id = _login_of(tx, staff_id, practice_id)
    return new_link(database, settings.public_url, login_id)


def new_link(database: Database, url: str, login_id: UUID) -> str:
    """A link with which the person of a login can set their password at this address, once, within three days."""
    token = secrets.token_urlsafe(32)
    with database.write() as tx:
        password_links.put(tx, login_id, hashed(token), seconds=LINK_SECONDS)
        _audit(tx, "login.password_link", login_id, ActorKind.OPERATOR)
    return link_of(url, token)


def link_of(url: str, token: str) -> str:
    """The link with this token: after the #, so that no server's log and no Referer ever holds it."""
    return f"{url.rstrip('/')}{LINK_PATH}#{token}"


def set_by_link(database: Database, token: str, password: str, origin: Origin) -> str:
    """Set the password of whoever received this link.

    Returns:
        What their login email is compared by.

    Raises:
        RequestRefused: the password does not fit the rules, or the link is not valid (any more).
    """
    token_hash = hashed(token)
    with database.read() as tx:
        login_id = password_links.live(tx, token_hash)
        if login_id is None:
            raise refusals.PASSWORD_LINK_EXPIRED()
        email_key, known = credentials.login(tx, login_id).email_key, credentials.known_about(tx, login_id)
    password_rules.require(password, known)
    made = hash_of(password)
    with database.write() as tx:
        if not password_links.use(tx, token_hash, login_id):
            raise refusals.PASSWORD_LINK_EXPIRED()
        _set(tx, login_id, made, SignInEvent.PASSWORD_SET_BY_LINK, origin=origin)
    return email_key


def change(
    database: Database, tries: Tries, caller: AnyCaller, session_token: str, old: str, new: str, *, origin: Origin
) -> None:
    """Change the password of somebody who is signed in; their other sessions end. Failures count against this session.

    Raises:
        RequestRefused: the old password is wrong, or the new one is the same or does not fit the rules; or `TooManyTries`.
    """
    login = require_own(database, tries, caller, session_token, old, origin=origin)
    login_id = login.id
    with database.read() as tx:
        known = credentials.known_about(tx, login_id)
    if _normal(old) == _normal(new):
        raise refusals.PASSWORD_UNCHANGED()
    password_rules.require(new, known)
    made = hash_of(new)
    with database.write() as tx:
        if credentials.login(tx, login_id).password_hash != login.password_hash:  # changed in another browser meanwhile
            raise refusals.WRONG_OLD_PASSWORD()
        _set(tx, login_id, made, SignInEvent.PASSWORD_CHANGED, origin=origin, keep=hashed(session_token))


def require_own(
    database: Database, tries: Tries, caller: AnyCaller, session_token: str, password: str, *, origin: Origin
) -> Login:
    """Check the password of somebody who is signed in. Failures count against this session.

    Raises:
        RequestRefused: it is wrong; or `TooManyTries`.
    """
    with database.read() as tx:
        login = account.of(tx, caller).login
    attempt = Attempt(login.email_key, origin, browser=hashed(session_token))
    tries.take(attempt)
    if not fits(login.password_hash, password):
        with database.write() as tx:
            sign_in_log.note(tx, SignInEvent.OWN_PASSWORD_WRONG, caller, origin)
        raise refusals.WRONG_OLD_PASSWORD()
    tries.take_back(attempt)
    return login


def hash_of(password: str) -> str:
    """The hash that is stored; slow on purpose, and to be made where `fits` runs."""
    return _hasher.hash(_normal(password))


def renewed(password_hash: str, password: str) -> str | None:
    """A new hash of a password that fits, where that was made with other parameters than hashes are made with now."""
    return hash_of(password) if _hasher.check_needs_rehash(password_hash) else None


def _normal(password: str) -> str:
    """One spelling for passwords that look the same, whatever keyboard they were typed on."""
    return unicodedata.normalize("NFKC", password)


def _set(
    tx: Tx,
    login_id: UUID,
    password_hash: str,
    event: SignInEvent,
    *,
    origin: Origin | None,
    keep: str | None = None,
) -> None:
    """Set it. Whoever knew the old one or holds an earlier link is out; `keep` is the hash of the one session that stays."""
    had_one = credentials.login(tx, login_id).password_hash is not None
    credentials.set_password(tx, login_id, password_hash)
    credentials.end_sessions_of_login(tx, login_id, keep=keep)
    password_links.end_all(tx, login_id)
    sign_in_log.note(tx, event, credentials.by_login(tx, login_id), origin, is_told=had_one)
    _audit(tx, "login.password", login_id, ActorKind.STAFF if origin else ActorKind.OPERATOR)


def _login_of(tx: Tx, staff_id: UUID, practice_id: UUID) -> UUID:
    staff = people.at_work(tx, staff_id, practice_id=practice_id)
    if staff is None:
        raise refusals.UNKNOWN_STAFF()
    return staff.login_id


def _audit(tx: Tx, action: str, login_id: UUID, actor: ActorKind) -> None:
    audit.record(tx, action=action, subject="login", subject_id=login_id, practice_id=None, actor=actor)
