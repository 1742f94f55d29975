"""Sessions of staff and clients: signing in by email, password and second factor, being recognised by the cookie, signing
out.

Both sign in on one page; the login, which is one person's, says which side of the portal they come to. A session is looked
up among those of its side only, so none is ever taken for one of the other side.

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
from handlers.access.caller import AnyCaller, Caller, ClientCaller, caller_of
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
from portal_db.states import LoginKind

IDLE_SECONDS = 60 * 60.0
SECONDS = 12 * 3600.0
#: What the token of a client's session begins with; no other token has a full stop.
_OF_CLIENT = "client."


@dataclass(frozen=True)
class Session:
    """A session as its browser holds it: the cookie's value, and the token that writes must also carry."""

    token: str

    @property
    def csrf_token(self) -> str:
        return hmac.new(self.token.encode(), b"csrf", hashlib.sha256).hexdigest()

    @property
    def kind(self) -> LoginKind:
        """Which side of the portal it is for."""
        return LoginKind.CLIENT if self.token.startswith(_OF_CLIENT) else LoginKind.STAFF

    @classmethod
    def new(cls, kind: LoginKind) -> Session:
        return cls((_OF_CLIENT if kind is LoginKind.CLIENT else "") + secrets.token_urlsafe(32))


@dataclass(frozen=True)
class SignedIn:
    """A session that has begun, whose it is, and what their address is compared by."""

    session: Session
    caller: AnyCaller
    email_key: str


@dataclass(frozen=True)
class Halfway:
    """A sign-in whose password was right, and what it waits for (`handlers.access.halfway`)."""

    token: str
    step: NextStep


def sign_in(
    database: Database,
    tries: Tries,
    attempt: Attempt,
    password: str,
    *,
    instead_of: str | None = None,
    staff_only: bool = False,
) -> SignedIn | Halfway:
    """Begin a session, or wait for the second factor where there is one or the practice mandates it.

    Args:
        instead_of: the session this browser had, which ends.
        staff_only: whether clients are unknown here, as to the API.

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
        found = credentials.by_email(tx, attempt.email_key, staff_only=staff_only)
    checked = found.login.password_hash if found else None
    if not passwords.fits(checked, password) or found is None or checked is None:
        _note_failure(database, attempt, SignInEvent.SIGN_IN_FAILED)
        raise refusals.BAD_CREDENTIALS()
    tries.take_back(attempt)
    renewed = passwords.renewed(checked, password)
    with database.write() as tx:
        now = credentials.by_email(tx, attempt.email_key)
        if now is None or now.login.password_hash != checked:  # the password was just changed, and its sessions ended
            raise refusals.BAD_CREDENTIALS()
        if renewed is not None:
            credentials.renew_hash(tx, found.login.id, checked, renewed)
        return _begin_or_wait(tx, found, attempt.origin, instead_of=instead_of)


def begin_after_activation(
    database: Database, login_id: UUID, origin: Origin, *, instead_of: str | None = None
) -> SignedIn | Halfway:
    """Sign in a client who has just set their password by the link of an email: what else is there to ask for is asked.

    Raises:
        RequestRefused: `sign_in_ended`, where the login is gone meanwhile.
    """
    with database.write() as tx:
        found = credentials.by_login(tx, login_id)
        if found is None:
            raise refusals.SIGN_IN_ENDED()
        return _begin_or_wait(tx, found, origin, instead_of=instead_of)


def _begin_or_wait(tx: Tx, found: SignIn, origin: Origin, *, instead_of: str | None) -> SignedIn | Halfway:
    step = mfa.next_step(tx, found)
    if step is None:
        return begin(tx, found, origin, instead_of=instead_of)
    return Halfway(halfway.begin(tx, found.login.id), step)


def begin(
    tx: Tx,
    found: SignIn,
    origin: Origin,
    *,
    instead_of: str | None = None,
    is_confirmed: bool = True,
    by: str | None = None,
) -> SignedIn:
    """Begin somebody's session; the one that their browser had ends, on whichever side it was.

    Args:
        is_confirmed: whether all was asked for that proves who they are (`handlers.access.confirmation`).
        by: their second factor, in a word or two, for the sign-in log.
    """
    session = Session.new(found.owner.kind)
    if instead_of is not None:
        if found.staff is not None:
            kept_forms.take_over(tx, hashed(instead_of), hashed(session.token), found.staff.id)
        credentials.end_session(tx, Session(instead_of).kind, hashed(instead_of))
    row = {"id": tx.new_id(), "token_hash": hashed(session.token), "address": origin.address, "agent": origin.agent}
    credentials.begin_session(
        tx, found.owner, row, idle_seconds=IDLE_SECONDS, seconds=SECONDS, is_confirmed=is_confirmed
    )
    factors = f"password, {by}" if by is not None else "password"
    sign_in_log.note(tx, SignInEvent.SIGNED_IN, found, origin, detail=factors)
    return SignedIn(session, caller_of(found), found.login.email_key)


def _note_failure(database: Database, attempt: Attempt, event: SignInEvent) -> None:
    """Record a failure by the same statements whether or not anybody has the email."""
    with database.write() as tx:
        found = credentials.by_email(tx, attempt.email_key)
        sign_in_log.note(tx, event, found, attempt.origin)


def recognise(database: Database, session: Session, *, is_use: bool = True) -> Caller | None:
    """The staff member of a session, or `None` if it has ended, never existed or is a client's. Using a session keeps it
    from timing out; a page that follows work by itself is no use of it."""
    found = recognise_any(database, session, is_use=is_use)
    return found if isinstance(found, Caller) else None


def recognise_client(database: Database, session: Session) -> ClientCaller | None:
    """`recognise` for a client's session."""
    found = recognise_any(database, session)
    return found if isinstance(found, ClientCaller) else None


def recognise_any(database: Database, session: Session, *, is_use: bool = True) -> AnyCaller | None:
    """`recognise` for what both have: their own account."""
    token_hash = hashed(session.token)
    with database.read() as tx:
        found = credentials.by_session(tx, session.kind, token_hash)
        # Recorded only every few minutes: not every read may cause a write.
        due = (
            is_use
            and found is not None
            and credentials.is_idle_within(tx, session.kind, token_hash, seconds=IDLE_SECONDS - 300)
        )
    if found is None:
        return None
    if due:
        with database.write() as tx:
            credentials.prolong_session(tx, session.kind, token_hash, idle_seconds=IDLE_SECONDS)
    return caller_of(found)


@dataclass(frozen=True)
class OpenSession:
    """A session as its owner sees it in the list. `address` and `agent` are unknown of one that an earlier release began."""

    id: UUID
    agent: str | None
    address: str | None
    began_at: datetime
    last_seen_at: datetime
    is_this: bool


def listing(database: Database, caller: AnyCaller, session: Session) -> list[OpenSession]:
    """The caller's open sessions, the one seen last first. When one was last seen is known to five minutes."""
    this = hashed(session.token)
    with database.read() as tx:
        found = credentials.sessions_of(tx, caller.owner)
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


def end_one(database: Database, caller: AnyCaller, session_id: UUID, origin: Origin) -> None:
    """End one of the caller's sessions; it may have ended already."""
    with database.write() as tx:
        if credentials.end_session_of(tx, caller.owner, session_id):
            sign_in_log.note(tx, SignInEvent.SESSIONS_ENDED, caller, origin, detail="one")


def end_others(database: Database, caller: AnyCaller, session: Session, origin: Origin) -> None:
    """End the caller's sessions except this one."""
    with database.write() as tx:
        if credentials.end_sessions_of(tx, caller.owner, keep=hashed(session.token)):
            sign_in_log.note(tx, SignInEvent.SESSIONS_ENDED, caller, origin, detail="all others")


def sign_out(database: Database, session: Session, origin: Origin) -> None:
    with database.write() as tx:
        found = credentials.by_session(tx, session.kind, hashed(session.token))
        credentials.end_session(tx, session.kind, hashed(session.token))
        if found is not None:
            sign_in_log.note(tx, SignInEvent.SIGNED_OUT, found, origin)


def key_of(email: str) -> str:
    """What a typed address is compared by; any text has one."""
    try:
        return addresses.normalise(email)[1]
    except Rejected:
        return email.strip().casefold()
