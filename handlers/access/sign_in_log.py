"""The sign-in log: who proved who they are, who failed to, and what they prove it with. Owners and account admins read it.

Rows are added and, after KEEP_AUDIT_DAYS, deleted; none is ever changed. An attempt with an email that nobody has leaves the
address that it came from, and nothing of what was typed.
"""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from handlers.access import security_notice
from handlers.access.caller import AnyCaller, Caller, ClientCaller, Scope, caller_of
from handlers.access.origin import Origin
from handlers.paging import Page, page_of, read_cursor
from portal_db.access import sign_in_log
from portal_db.access.credentials import SignIn
from portal_db.access.sign_in_log import LoggedEvent
from portal_db.database import Database, Tx
from portal_db.paging import Cursor
from portal_db.tables import Staff

#: A program that goes on with a key that is refused is noted once in this time.
ONCE_SECONDS = 3600.0


class SignInEvent(StrEnum):
    """What happened. Where the name does not say it, `web/pages/frame/filters.py` has the words."""

    SIGNED_IN = "signed_in"
    SIGN_IN_FAILED = "sign_in_failed"
    LOCKED_OUT = "locked_out"
    SIGNED_OUT = "signed_out"
    SESSIONS_ENDED = "sessions_ended"
    RESET_REQUESTED = "reset_requested"
    PASSWORD_SET_BY_LINK = "password_set_by_link"  # noqa: S105 -- the name of an event
    PASSWORD_SET_BY_OPERATOR = "password_set_by_operator"  # noqa: S105 -- the name of an event
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 -- the name of an event
    OWN_PASSWORD_WRONG = "own_password_wrong"  # noqa: S105 -- the name of an event
    SECOND_FACTOR_FAILED = "second_factor_failed"
    SECOND_FACTOR_SET_UP = "second_factor_set_up"
    RECOVERY_CODES_RENEWED = "recovery_codes_renewed"
    SECOND_FACTOR_TURNED_OFF = "second_factor_turned_off"
    SECOND_FACTOR_RESET = "second_factor_reset"
    PASSKEY_ADDED = "passkey_added"
    PASSKEY_REMOVED = "passkey_removed"
    KEY_REFUSED = "key_refused"


def note(
    tx: Tx,
    event: SignInEvent,
    who: Staff | SignIn | AnyCaller | None,
    origin: Origin | None,
    *,
    detail: str | None = None,
    is_told: bool = True,
) -> None:
    """Record an event, and tell its person by email if it changes what they sign in with.

    Args:
        who: whose sign-in it is about; `None` for an email that nobody has.
        origin: where the request came from; `None` for an operator at the command line.
        detail: a code or a key's first characters; never what somebody typed.
        is_told: whether such a change is told; a first password is none.
    """
    if isinstance(who, (SignIn, Staff)) and is_told and event in security_notice.WORDS:
        login_id = who.login.id if isinstance(who, SignIn) else who.login_id
        security_notice.request(tx, event, login_id, who.practice_id, origin=origin)
    if isinstance(who, SignIn):
        who = who.staff or caller_of(who)
    staff_id = who.staff_id if isinstance(who, Caller) else who.id if isinstance(who, Staff) else None
    client_id = who.login_id if isinstance(who, ClientCaller) else None
    _add(tx, event, who.practice_id if who else None, origin, detail, staff_id=staff_id, login_id=client_id)


def note_refused_key(tx: Tx, practice_id: UUID, origin: Origin, detail: str) -> None:
    """Record that a key was refused, unless the same was recorded within the hour."""
    event = SignInEvent.KEY_REFUSED
    if not sign_in_log.has_recent(tx, practice_id, event, detail, seconds=ONCE_SECONDS):
        _add(tx, event, practice_id, origin, detail)


def listing(database: Database, caller: Caller, *, cursor: str | None, limit: int) -> Page[LoggedEvent]:
    """A page of the practice's events, newest first.

    Raises:
        RequestRefused: the caller is neither owner nor account admin, or the cursor is not valid.
    """
    caller.require(Scope.MANAGE)
    with database.read() as tx:
        found = sign_in_log.page(tx, caller.practice_id, after=read_cursor(cursor), limit=limit + 1)
    return page_of(found, limit, lambda each: (each.entry.at, each.entry.id))


def events(database: Database, practice_id: UUID | None, *, after: Cursor | None, limit: int) -> list[LoggedEvent]:
    """For operators: a page of a practice's events, or without one of those with emails that nobody has."""
    with database.read() as tx:
        return sign_in_log.page(tx, practice_id, after=after, limit=limit)


def _add(
    tx: Tx,
    event: SignInEvent,
    practice_id: UUID | None,
    origin: Origin | None,
    detail: str | None,
    **whose: UUID | None,
) -> None:
    row = {"event": event.value, "practice_id": practice_id, "detail": detail, **whose}
    sign_in_log.add(tx, row | ({"address": origin.address, "agent": origin.agent} if origin else {}))
