"""Staff passwords: argon2id, set through a link or by an operator, never shown or sent."""

from __future__ import annotations

import hashlib
import secrets
import threading
import unicodedata
from functools import cache
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from config.settings import Settings
from handlers import refusals
from portal_db import audit
from portal_db.access import credentials, people
from portal_db.database import Database, Tx
from portal_db.states import ActorKind

#: Length only, no composition rules (NIST SP 800-63B).
SHORTEST, LONGEST = 12, 200
LINK_SECONDS = 3 * 24 * 3600.0
LINK_PATH = "/set-password"

_hasher = PasswordHasher()
#: Each check needs 64 MiB for a moment, so only a few run at once; the others wait.
_turns = threading.BoundedSemaphore(4)


@cache
def _dummy_hash() -> str:
    """A hash to check where there is no login, so that response times do not reveal who has one. Made on first use: it takes
    a fifth of a second, which every command would otherwise wait for."""
    return _hasher.hash(secrets.token_hex(16))


def fits(password_hash: str | None, password: str) -> bool:
    """Whether this is the password. Takes as long when there is no hash."""
    with _turns:
        dummy = _dummy_hash()
        try:
            return _hasher.verify(password_hash or dummy, _normal(password)) and password_hash is not None
        except (Argon2Error, InvalidHashError):
            return False


def set_password(database: Database, staff_id: UUID, practice_id: UUID, password: str) -> None:
    """Set a staff member's password by hand; their sessions end.

    Raises:
        RequestRefused: it is too short or too long, or nobody with this id works there.
    """
    require_length(password)
    made = hash_of(password)
    with database.write() as tx:
        _set(tx, _login_of(tx, staff_id, practice_id), made, actor=ActorKind.OPERATOR)


def issue_link(database: Database, settings: Settings, staff_id: UUID, practice_id: UUID) -> str:
    """A link with which a staff member can set their password, once, within three days.

    Raises:
        RequestRefused: nobody with this id works there.
    """
    token = secrets.token_urlsafe(32)
    with database.write() as tx:
        login_id = _login_of(tx, staff_id, practice_id)
        credentials.put_password_link(tx, login_id, _hashed(token), seconds=LINK_SECONDS)
        _audit(tx, "login.password_link", login_id, ActorKind.OPERATOR)
    # After the #, so that no server's log and no Referer ever holds it.
    return f"{settings.public_url.rstrip('/')}{LINK_PATH}#{token}"


def set_by_link(database: Database, token: str, password: str) -> None:
    """Set the password of the staff member who received this link.

    Raises:
        RequestRefused: the password is too short or too long, or the link is not valid (any more).
    """
    require_length(password)
    with database.read() as tx:
        if not credentials.password_link_is_live(tx, _hashed(token)):
            raise refusals.PASSWORD_LINK_EXPIRED()
    made = hash_of(password)
    with database.write() as tx:
        login_id = credentials.use_password_link(tx, _hashed(token))
        if login_id is None:
            raise refusals.PASSWORD_LINK_EXPIRED()
        _set(tx, login_id, made, actor=ActorKind.STAFF)


def require_length(password: str) -> None:
    """Check a new password.

    Raises:
        RequestRefused: it is too short or too long.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        refusal = refusals.PASSWORD_TOO_SHORT if len(password) < SHORTEST else refusals.PASSWORD_TOO_LONG
        raise refusal(min_length=SHORTEST, max_length=LONGEST)


def hash_of(password: str) -> str:
    """The hash that is stored; slow on purpose."""
    with _turns:
        return _hasher.hash(_normal(password))


def _normal(password: str) -> str:
    """One spelling for passwords that look the same, whatever keyboard they were typed on."""
    return unicodedata.normalize("NFKC", password)


def _set(tx: Tx, login_id: UUID, password_hash: str, *, actor: ActorKind) -> None:
    credentials.set_password(tx, login_id, password_hash)
    credentials.end_sessions_of(tx, login_id)
    _audit(tx, "login.password", login_id, actor)


def _login_of(tx: Tx, staff_id: UUID, practice_id: UUID) -> UUID:
    staff = people.get_staff(tx, staff_id, practice_id=practice_id)
    if staff is None or staff.left_at is not None:
        raise refusals.UNKNOWN_STAFF()
    return staff.login_id


def _audit(tx: Tx, action: str, login_id: UUID, actor: ActorKind) -> None:
    audit.record(tx, action=action, subject="login", subject_id=login_id, practice_id=None, actor=actor)


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
