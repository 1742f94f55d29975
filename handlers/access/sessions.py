"""Staff sessions: signing in by email, password and second factor, being recognised by the cookie, signing out.

A session's id is 256 bits of chance, made at sign-in and never taken from a browser (session fixation). Only its SHA-256 is
kept.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from handlers import refusals
from handlers.access import halfway, mfa, passwords, sign_in_log
from handlers.access.caller import Caller
from handlers.access.mfa import NextStep
from handlers.access.origin import Origin
from handlers.access.sign_in_log import SignInEvent
from handlers.access.tokens import hashed
from handlers.access.tries import Attempt, TooManyTries, Tries
from handlers.email import addresses
from handlers.errors import Rejected
from portal_db.access import credentials, kept_forms
from portal_db.access.credentials import SignIn
from portal_db.database import Database, Tx

IDLE_SECONDS = 60 * 60.0
SECONDS = 12 * 3600.0


@dataclass(frozen=True)
class Session:
    """A session as its browser holds it: the cookie's value, and the token that writes must also carry."""

    token: str

    @property
    def csrf_token(self) -> str:
        return hmac.new(self.token.encode(), b"csrf", hashlib.sha256).hexdigest()


@dataclass(frozen=True)
class SignedIn:
    """A session that has begun, whose it is, and what their address is compared by."""

    session: Session
    caller: Caller
    email_key: str


@dataclass(frozen=True)
class Halfway:
    """A sign-in whose password was right, and what it waits for (`handlers.access.halfway`)."""

    token: str
    step: NextStep


def sign_in(
    database: Database, tries: Tries, attempt: Attempt, password: str, *, instead_of: str | None = None
) -> SignedIn | Halfway:
    """Begin a session, or wait for the second factor where there is one or the practice mandates it.

    Args:
        instead_of: the session this browser had, which ends.

    Raises:
        RequestRefused: `bad_credentials`, whichever of the two is wrong; or `TooManyTries`.
    """
    try:
        tries.take(attempt)
    except TooManyTries as refusal:
        if refusal.is_first:
            _note_failure(database, attempt, SignInEvent.LOCKED_OUT)
        raise
    with database.read() as tx:
        found = credentials.by_email(tx, attempt.email_key)
    checked = found.login.password_hash if found else None
    if not passwords.fits(checked, password) or found is None:
        _note_failure(database, attempt, SignInEvent.SIGN_IN_FAILED)
        raise refusals.BAD_CREDENTIALS()
    tries.take_back(attempt)
    with database.write() as tx:
        now = credentials.by_email(tx, attempt.email_key)
        if now is None or now.login.password_hash != checked:  # the password was just changed, and its sessions ended
            raise refusals.BAD_CREDENTIALS()
        step = mfa.next_step(tx, found.staff)
        if step is None:
            return begin(tx, found, attempt.origin, instead_of=instead_of)
        return Halfway(halfway.begin(tx, found.login.id), step)


def begin(
    tx: Tx, found: SignIn, origin: Origin, *, instead_of: str | None = None, is_confirmed: bool = True
) -> SignedIn:
    """Begin a staff member's session; the one that their browser had ends.

    Args:
        is_confirmed: whether all was asked for that proves who they are (`handlers.access.confirmation`).
    """
    session = Session(secrets.token_urlsafe(32))
    if instead_of is not None:
        kept_forms.take_over(tx, hashed(instead_of), hashed(session.token), found.staff.id)
        credentials.end_session(tx, hashed(instead_of))
    row = {"id": tx.new_id(), "staff_id": found.staff.id, "token_hash": hashed(session.token)}
    row |= {"address": origin.address, "agent": origin.agent}
    credentials.begin_session(tx, row, idle_seconds=IDLE_SECONDS, seconds=SECONDS, is_confirmed=is_confirmed)
    sign_in_log.note(tx, SignInEvent.SIGNED_IN, found.staff, origin)
    return SignedIn(session, Caller.of(found.staff), found.login.email_key)


def _note_failure(database: Database, attempt: Attempt, event: SignInEvent) -> None:
    """Record a failure by the same statements whether or not anybody has the email."""
    with database.write() as tx:
        found = credentials.by_email(tx, attempt.email_key)
        sign_in_log.note(tx, event, found.staff if found else None, attempt.origin)


def recognise(database: Database, session: Session) -> Caller | None:
    """The caller of a session, or `None` if it has ended or never existed. Using a session keeps it from timing out."""
    token_hash = hashed(session.token)
    with database.read() as tx:
        found = credentials.by_session(tx, token_hash)
        # Recorded only every few minutes: not every read may cause a write.
        due = found is not None and credentials.is_idle_within(tx, token_hash, seconds=IDLE_SECONDS - 300)
    if found is None:
        return None
    if due:
        with database.write() as tx:
            credentials.prolong_session(tx, token_hash, idle_seconds=IDLE_SECONDS)
    return Caller.of(found.staff)


def peek(database: Database, session: Session) -> Caller | None:
    """`recognise`, without keeping the session from timing out."""
    with database.read() as tx:
        found = credentials.by_session(tx, hashed(session.token))
    return Caller.of(found.staff) if found is not None else None


@dataclass(frozen=True)
class OpenSession:
    """A session as its owner sees it in the list. `address` and `agent` are unknown of one that an earlier release began."""

    id: UUID
    agent: str | None
    address: str | None
    began_at: datetime
    last_seen_at: datetime
    is_this: bool


def listing(database: Database, caller: Caller, session: Session) -> list[OpenSession]:
    """The caller's open sessions, the one seen last first. When one was last seen is known to five minutes."""
    this = hashed(session.token)
    with database.read() as tx:
        found = credentials.sessions_of(tx, caller.staff_id)
    return [
        OpenSession(
            row.id,
            row.agent,
            row.address,
            row.created_at,
            row.idle_until - timedelta(seconds=IDLE_SECONDS),
            row.token_hash == this,
        )
        for row in found
    ]


def end_one(database: Database, caller: Caller, session_id: UUID, origin: Origin) -> None:
    """End one of the caller's sessions; it may have ended already."""
    with database.write() as tx:
        if credentials.end_session_of(tx, caller.staff_id, session_id):
            sign_in_log.note(tx, SignInEvent.SESSIONS_ENDED, caller, origin, detail="one")


def end_others(database: Database, caller: Caller, session: Session, origin: Origin) -> None:
    """End the caller's sessions except this one."""
    with database.write() as tx:
        if credentials.end_sessions_of(tx, caller.staff_id, keep=hashed(session.token)):
            sign_in_log.note(tx, SignInEvent.SESSIONS_ENDED, caller, origin, detail="all others")


def sign_out(database: Database, session: Session, origin: Origin) -> None:
    with database.write() as tx:
        found = credentials.by_session(tx, hashed(session.token))
        credentials.end_session(tx, hashed(session.token))
        if found is not None:
            sign_in_log.note(tx, SignInEvent.SIGNED_OUT, found.staff, origin)


def key_of(email: str) -> str:
    """What a typed address is compared by; any text has one."""
    try:
        return addresses.normalise(email)[1]
    except Rejected:
        return email.strip().casefold()
