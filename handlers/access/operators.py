"""Operators at the console: signing in with password and second factor, their sessions, roles, and links to set a password.

An operator always needs a second factor: who has none sets an authenticator app up before the first session begins.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from config.settings import Settings
from handlers import refusals
from handlers.access import halfway, operator_roles, passwords, second_factor, single_sign_on
from handlers.access.act import Act, Actor
from handlers.access.operator_roles import OpsAct
from handlers.access.practices import BY_COMMAND_LINE
from handlers.access.second_factor import NewApp
from handlers.access.sessions import Session
from handlers.access.single_sign_on import Identity
from handlers.access.tokens import hashed
from handlers.access.tries import Attempt, Tries
from portal_db.access import credentials, operators, second_factors
from portal_db.access.operators import OperatorLogin
from portal_db.database import Database, Tx
from portal_db.states import OperatorRole
from portal_db.types import database_time

IDLE_SECONDS = 30 * 60.0
SECONDS = 12 * 3600.0
#: How long a code counts for acts that need one.
FRESH_SECONDS = 15 * 60.0
ISSUER = "portal-sync operations"


@dataclass(frozen=True)
class OperatorCaller:
    """An operator who is signed in. `is_fresh`: they gave a code of their second factor recently."""

    operator_id: UUID
    login_id: UUID
    name: str
    role: str
    is_fresh: bool

    def may(self, act: OpsAct) -> bool:
        return operator_roles.may(self.role, act)

    def act(self, why: str) -> Act:
        """An act of theirs.

        Raises:
            RequestRefused: the reason cannot be kept.
        """
        return Act.of_operator(self.operator_id, why)


def sign_in(database: Database, tries: Tries, attempt: Attempt, password: str) -> str:
    """Check an operator's password.

    Returns:
        The token of a sign-in that waits for the second factor.

    Raises:
        RequestRefused: `bad_credentials`, whichever of the two is wrong; or `TooManyTries`.
    """
    tries.take(attempt)
    with database.read() as tx:
        found = operators.by_email(tx, attempt.email_key)
    checked = found.login.password_hash if found else None
    if not passwords.fits(checked, password) or found is None or checked is None:
        raise refusals.BAD_CREDENTIALS()
    tries.take_back(attempt)
    renewed = passwords.renewed(checked, password)
    with database.write() as tx:
        now = operators.by_email(tx, attempt.email_key)
        if now is None or now.login.password_hash != checked:  # the password was just changed
            raise refusals.BAD_CREDENTIALS()
        if renewed is not None:
            credentials.renew_hash(tx, found.login.id, checked, renewed)
        return halfway.begin(tx, found.login.id)


def app_to_set_up(database: Database, settings: Settings, token: str, *, sealed: str | None = None) -> NewApp | None:
    """The authenticator app to set up before signing in goes on; `None` if there is a second factor already.

    Args:
        sealed: the app that was shown before.

    Raises:
        RequestRefused: the sign-in has ended, or the app was shown too long ago.
    """
    login = _waiting(database, token).login
    with database.read() as tx:
        if second_factors.is_set_up(tx, login.id):
            return None
    return second_factor.app_to_set_up(settings, login.id, sealed, name=login.email, issuer=ISSUER)


def complete(database: Database, settings: Settings, token: str, code: str) -> Session:
    """Begin the session of a sign-in whose second factor is right.

    Raises:
        RequestRefused: the sign-in has ended, or the code is wrong.
    """
    found = _waiting(database, token)
    second_factor.check(database, settings, found.login.id, code)
    return _begin(database, token, found)


def set_up_and_complete(
    database: Database, settings: Settings, token: str, sealed: str, code: str
) -> tuple[Session, list[str]]:
    """Set an authenticator app up and begin the session.

    Returns:
        The session, and the recovery codes, which are shown only now.

    Raises:
        RequestRefused: as `handlers.access.second_factor.set_up`, or the sign-in has ended.
    """
    found = _waiting(database, token)
    with database.write() as tx:
        codes = second_factor.set_up(tx, settings, found.login.id, sealed, code)
        Actor(found.operator.id).audit(tx, "second_factor.set_up", "login", found.login.id, None)
    return _begin(database, token, found), codes


def _waiting(database: Database, token: str) -> OperatorLogin:
    login_id = halfway.login_of(database, token)
    with database.read() as tx:
        found = operators.by_login(tx, login_id)
    if found is None:  # a staff member's, or somebody's who has left meanwhile
        raise refusals.SIGN_IN_ENDED()
    return found


def _begin(database: Database, token: str, found: OperatorLogin) -> Session:
    with database.write() as tx:
        halfway.end(tx, token)
        return _begin_session(tx, found)


def _begin_session(tx: Tx, found: OperatorLogin, *, confirmed_ago: float = 0, by: str | None = None) -> Session:
    session = Session(secrets.token_urlsafe(32))
    row = {"id": tx.new_id(), "operator_id": found.operator.id, "token_hash": hashed(session.token)}
    ends = {"idle_seconds": IDLE_SECONDS, "seconds": SECONDS}
    operators.begin_session(tx, row, **ends, confirmed_ago=confirmed_ago)
    Actor(found.operator.id).audit(tx, "operator.sign_in", "operator", found.operator.id, None, after=by)
    return session


def sign_in_by_provider(database: Database, identity: Identity) -> Session:
    """Begin the session of an operator for whom their organisation's provider vouches.

    Raises:
        RequestRefused: `sign_on_stranger`; or the operator with that email has another account there, since an address
            may be given to somebody new.
    """
    with database.write() as tx:
        found = operators.by_account(tx, identity.account_hash)
        if found is None:
            operators.adopt_account(tx, identity.email_key, identity.account_hash)
            found = operators.by_account(tx, identity.account_hash)
        if found is None and operators.by_email(tx, identity.email_key) is not None:
            raise refusals.SIGN_ON_ANOTHER_ACCOUNT()
        if found is None:
            raise refusals.SIGN_ON_STRANGER()
        return _begin_session(tx, found, confirmed_ago=_age(tx, identity), by="single_sign_on")


def confirm_by_provider(database: Database, session: Session, caller: OperatorCaller, identity: Identity) -> None:
    """Note that an operator who is signed in has just proved who they are to their organisation's provider.

    Raises:
        RequestRefused: `sign_on_another`: the provider vouches for somebody else, or did not ask now.
    """
    with database.write() as tx:
        found = operators.by_account(tx, identity.account_hash)
        if found is None or found.operator.id != caller.operator_id or _age(tx, identity) > single_sign_on.SECONDS:
            raise refusals.SIGN_ON_ANOTHER()
        operators.confirm(tx, hashed(session.token))


def _age(tx: Tx, identity: Identity) -> float:
    """How many seconds ago somebody proved who they are to the provider; too many if it does not say."""
    at = identity.signed_in_at
    return SECONDS if at is None else max(0.0, database_time(tx.session).timestamp() - at)


def recognise(database: Database, session: Session, *, is_use: bool = True) -> OperatorCaller | None:
    """The operator of a session, or `None` if it has ended. Using a session keeps it from timing out; a page that renews
    itself is no use of it."""
    token_hash = hashed(session.token)
    with database.glance() as tx:
        found = operators.session(tx, token_hash, fresh_seconds=FRESH_SECONDS, due_seconds=IDLE_SECONDS - 60)
    if found is None:
        return None
    if found.is_due and is_use:
        with database.write() as tx:
            operators.prolong(tx, token_hash, idle_seconds=IDLE_SECONDS)
    row = found.operator
    return OperatorCaller(row.id, row.login_id, row.name, row.role, found.is_fresh)


def confirm(database: Database, settings: Settings, session: Session, caller: OperatorCaller, code: str) -> None:
    """Check a code of an operator who is signed in, for acts that need one given recently.

    Raises:
        RequestRefused: the code is wrong.
    """
    second_factor.check(database, settings, caller.login_id, code)
    with database.write() as tx:
        operators.confirm(tx, hashed(session.token))


def sign_out(database: Database, session: Session) -> None:
    with database.write() as tx:
        operators.end_session(tx, hashed(session.token))


# ---- by the command line ----


def listing(database: Database) -> Sequence[OperatorLogin]:
    with database.read() as tx:
        return operators.listing(tx)


def issue_link(database: Database, settings: Settings, operator_id: UUID) -> str:
    """A link with which an operator sets their password at the console, once, within three days.

    Raises:
        RequestRefused: there is no such operator.
    """
    with database.read() as tx:
        found = _require(tx, operator_id)
    return passwords.new_link(database, settings.ops_url, found.login.id)


def set_role(database: Database, operator_id: UUID, role: OperatorRole) -> None:
    """Change what an operator may do; it counts from their next click.

    Raises:
        RequestRefused: there is no such operator.
    """
    with database.write() as tx:
        before = _require(tx, operator_id).operator.role
        operators.change(tx, operator_id, role=role.value)
        BY_COMMAND_LINE.audit(tx, "operator.role", "operator", operator_id, None, before=before, after=role.value)


def leave(database: Database, operator_id: UUID) -> None:
    """Record that an operator has left: they cannot sign in or act any more, and their sessions end.

    Raises:
        RequestRefused: there is no such operator.
    """
    with database.write() as tx:
        found = _require(tx, operator_id)
        operators.leave(tx, operator_id)
        credentials.end_sessions_of_login(tx, found.login.id)
        BY_COMMAND_LINE.audit(tx, "operator.leave", "operator", operator_id, None)


def reset_second_factor(database: Database, operator_id: UUID) -> None:
    """Remove an operator's second factor: with their next sign-in they set up a new one. Their account at the organisation's
    provider is forgotten too: the next one with their email is theirs.

    Raises:
        RequestRefused: there is no such operator.
    """
    with database.write() as tx:
        found = _require(tx, operator_id)
        if second_factors.remove(tx, found.login.id):
            BY_COMMAND_LINE.audit(tx, "second_factor.reset", "login", found.login.id, None)
        if found.operator.account_hash is not None and operators.change(tx, operator_id, account_hash=None):
            BY_COMMAND_LINE.audit(tx, "operator.account_forgotten", "operator", operator_id, None)
        credentials.end_sessions_of_login(tx, found.login.id)


def _require(tx: Tx, operator_id: UUID) -> OperatorLogin:
    found = operators.get(tx, operator_id)
    if found is None:
        raise refusals.UNKNOWN_OPERATOR()
    return found
