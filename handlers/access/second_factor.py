"""An account's second factor: setting an authenticator app up, checking its codes (TOTP, RFC 6238), recovery codes.

It knows an account by the id of its login only, so it serves staff, operators and clients alike. Who must have a second
factor, and who may turn it off, is decided by others.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from uuid import UUID

import pyotp
from cryptography.fernet import InvalidToken

from config.settings import Settings
from handlers import refusals
from handlers.errors import RefusedForNow
from portal_db.access import second_factors
from portal_db.database import Database, Tx
from portal_db.tables import SecondFactor
from portal_db.types import database_time

STEP_SECONDS, DIGITS = 30, 6
#: Codes of this many steps before and after the present one are accepted: clocks differ.
SLACK_STEPS = 1
#: Of a million codes three are right, so an account takes few tries.
MOST_TRIES, TRY_SECONDS = 5, 15 * 60.0
RECOVERY_CODES = 10
#: 120 random bits in 24 letters.
RECOVERY_BYTES = 15
#: How long a QR code that is shown can be set up.
SET_UP_SECONDS = 30 * 60
LONGEST_CODE = 40
_PURPOSE = "authenticator app of"


class TooManyCodes(RefusedForNow):
    """No code is accepted for a while; `wait_seconds` says how long."""

    def __init__(self, wait_seconds: float) -> None:
        super().__init__(
            "too_many_tries",
            "There were too many wrong codes.",
            f"Wait {max(1, round(wait_seconds / 60))} minutes, then try again.",
            field="code",
        )
        self.wait_seconds = wait_seconds


@dataclass(frozen=True)
class NewApp:
    """An authenticator app that is to be set up.

    Args:
        key: for people who type it.
        address: for the QR code.
        sealed: the same, encrypted, to be given back with the app's first code. Only who was shown the secret has it.
    """

    key: str
    address: str
    sealed: str


def app_to_set_up(settings: Settings, login_id: UUID, sealed: str | None, *, name: str, issuer: str) -> NewApp:
    """A secret to set up; nothing is stored before a code of it is given.

    Args:
        sealed: the secret that was shown, to be shown again after a wrong code; without it, it is a new one.
        name: the account's name in the app.
        issuer: whose account it is in the app.

    Raises:
        SettingsError: TOKEN_KEYS is empty.
        RequestRefused: the secret was shown too long ago, or to somebody else.
    """
    if sealed is not None:
        return _shown(_opened(settings, login_id, sealed), sealed, name, issuer)
    secret = pyotp.random_base32()
    sealed = settings.vault.encrypt(f"{_PURPOSE} {login_id} {secret}".encode()).decode()
    return _shown(secret, sealed, name, issuer)


def set_up(tx: Tx, settings: Settings, login_id: UUID, sealed: str, code: str, *, replacing: bool = False) -> list[str]:
    """Set up an authenticator app for an account.

    Args:
        replacing: whether it may take the place of another one: only if whoever asks proved to have that.

    Returns:
        The account's recovery codes, which are shown only now.

    Raises:
        RequestRefused: the code is not the app's, the secret was shown too long ago, or there is a second factor already.
    """
    secret = _opened(settings, login_id, sealed)
    step = _step_of(tx, secret, _plain(code))
    if step is None:
        raise refusals.BAD_CODE()
    kept = settings.vault.encrypt(secret.encode())
    found = second_factors.get(tx, login_id) if replacing else None
    # Decided by the database: who knows the password only may not replace a factor that was set up meanwhile.
    is_done = (
        second_factors.replace(tx, found, kept, step=step)
        if found is not None
        else second_factors.set_up(tx, login_id, kept, step=step)
    )
    if not is_done:
        raise refusals.SET_UP_ALREADY()
    return renew_recovery_codes(tx, login_id)


def set_up_without_app(tx: Tx, login_id: UUID) -> list[str]:
    """Set up the second factor of an account whose first passkey was just added. Returns its recovery codes.

    Raises:
        RequestRefused: there is a second factor already.
    """
    if not second_factors.set_up(tx, login_id, None, step=None):
        raise refusals.SET_UP_ALREADY()
    return renew_recovery_codes(tx, login_id)


def check(database: Database, settings: Settings, login_id: UUID, code: str) -> str:
    """Check a code of the account's app, or a recovery code. Each is accepted once.

    Returns:
        Which of the two it was: `app` or `recovery code`.

    Raises:
        RequestRefused: `bad_code`; or `TooManyCodes`.
    """
    with database.write() as tx:  # commits before it refuses: the try stays counted
        found = second_factors.get(tx, login_id)
        until = second_factors.take_try(tx, login_id, most=MOST_TRIES, seconds=TRY_SECONDS)
        is_right = found is not None and until is None and _accept(tx, settings, found, code)
        if is_right:
            second_factors.forget_tries(tx, login_id)
        wait = (until - database_time(tx.session)).total_seconds() if until else None
    if wait is not None:
        raise TooManyCodes(wait)
    if not is_right:
        raise refusals.BAD_CODE()
    return "app" if _is_of_app(_plain(code)) else "recovery code"


def renew_recovery_codes(tx: Tx, login_id: UUID) -> list[str]:
    """Make recovery codes, which are shown only now; the ones before are worth nothing."""
    codes = [base64.b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode().lower() for _ in range(RECOVERY_CODES)]
    second_factors.put_recovery_codes(tx, login_id, [_hash_of(login_id, code) for code in codes])
    return ["-".join(code[at : at + 4] for at in range(0, len(code), 4)) for code in codes]


def _shown(secret: str, sealed: str, name: str, issuer: str) -> NewApp:
    address = pyotp.TOTP(secret, interval=STEP_SECONDS).provisioning_uri(name=name, issuer_name=issuer)
    return NewApp(" ".join(secret[at : at + 4] for at in range(0, len(secret), 4)), address, sealed)


def _opened(settings: Settings, login_id: UUID, sealed: str) -> str:
    try:
        text = settings.vault.decrypt(sealed.encode(), ttl=SET_UP_SECONDS).decode()
    except InvalidToken:
        raise refusals.SET_UP_EXPIRED() from None
    purpose, _, secret = text.rpartition(" ")
    if purpose != f"{_PURPOSE} {login_id}":
        raise refusals.SET_UP_EXPIRED()
    return secret


def _accept(tx: Tx, settings: Settings, found: SecondFactor, code: str) -> bool:
    typed = _plain(code)
    if not _is_of_app(typed):
        return second_factors.use_recovery_code(tx, found.login_id, _hash_of(found.login_id, typed))
    if found.secret is None:
        return False
    step = _step_of(tx, settings.vault.decrypt(found.secret).decode(), typed)
    return step is not None and second_factors.use_step(tx, found.login_id, step)


def _is_of_app(typed: str) -> bool:
    return re.fullmatch(rf"[0-9]{{{DIGITS}}}", typed) is not None


def _step_of(tx: Tx, secret: str, code: str) -> int | None:
    """The time step whose code this is, among those accepted now."""
    app = pyotp.TOTP(secret, interval=STEP_SECONDS)
    now = int(database_time(tx.session).timestamp()) // STEP_SECONDS
    steps = range(now - SLACK_STEPS, now + SLACK_STEPS + 1)
    return next((step for step in steps if hmac.compare_digest(app.generate_otp(step).encode(), code.encode())), None)


def _hash_of(login_id: UUID, code: str) -> str:
    """At least 112 random bits, and the account's id as salt: a plain hash suffices (ASVS 6.5.2). Codes of earlier
    releases have 80 and are worth something until new ones are made."""
    return hashlib.sha256(f"{login_id} {code}".encode()).hexdigest()


def _plain(code: str) -> str:
    """A code as typed, without the spaces and dashes that make it readable."""
    return "".join(code[:LONGEST_CODE].split()).replace("-", "").casefold()
