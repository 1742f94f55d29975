"""API keys, and the sessions and passwords of staff and clients. Callers pass hashes; no secret reaches this module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, insert, or_, select, true, update

from portal_db.database import Tx
from portal_db.dialect import delete_rows, has_row, one_as, update_rows
from portal_db.states import LoginKind
from portal_db.tables import (
    ApiKey,
    Client,
    ClientSession,
    CoOwner,
    Login,
    Operator,
    OperatorSession,
    PendingSignIn,
    Practice,
    Staff,
    StaffSession,
    TeamMember,
)
from portal_db.types import db_now


def add_key(tx: Tx, row: dict[str, Any], *, seconds: float | None = None) -> None:
    """Record a key; with a time, one that ends after it."""
    ends = None if seconds is None else db_now(seconds)
    tx.session.execute(insert(ApiKey).values(**row, created_at=db_now(), ends_at=ends))


def note_use(tx: Tx, key_id: UUID) -> None:
    update_rows(tx, ApiKey, ApiKey.id == key_id, last_used_at=db_now())


def key(tx: Tx, key_hash: str) -> tuple[ApiKey, bool] | None:
    """The key with this hash, and whether it is live."""
    statement = select(ApiKey, _key_is_live()).where(ApiKey.key_hash == key_hash)
    return one_as(tx, lambda found, is_live: (found, bool(is_live)), statement)


def keys_of(tx: Tx, practice_id: UUID) -> list[ApiKey]:
    """A practice's keys, ended ones too, newest first."""
    statement = select(ApiKey).where(ApiKey.practice_id == practice_id)
    return list(tx.session.scalars(statement.order_by(ApiKey.created_at.desc(), ApiKey.id.desc())))


def end_key(tx: Tx, key_id: UUID, *, practice_id: UUID, after_seconds: float = 0) -> ApiKey | None:
    """End a live key after `after_seconds`, unless it ends sooner. `None`: the practice has no such live key."""
    ends = db_now(after_seconds)
    statement = (
        update(ApiKey)
        .where(ApiKey.id == key_id, ApiKey.practice_id == practice_id, _key_is_live())
        .where(or_(ApiKey.ends_at.is_(None), ApiKey.ends_at > ends))
        .values(ends_at=ends)
        .returning(ApiKey)
    )
    return tx.session.scalar(statement)


def _key_is_live() -> ColumnElement[bool]:
    return or_(ApiKey.ends_at.is_(None), ApiKey.ends_at > db_now())


@dataclass(frozen=True, slots=True)
class SignIn:
    """Somebody who may sign in, with their login, which is one person's on the whole platform.

    staff: of a staff member.
    client: of a client, whose account it is; also of a co-owner of it, who is the `co_owner` in its team.
    """

    login: Login
    staff: Staff | None
    client: Client | None = None
    co_owner: TeamMember | None = None

    @property
    def practice_id(self) -> UUID:
        return self._of.practice_id

    @property
    def name(self) -> str:
        return self.co_owner.name if self.co_owner is not None else self._of.name

    @property
    def given_name(self) -> str:
        """How an email greets them."""
        is_client = self.client is not None and self.co_owner is None
        return (self.client.given_name if is_client and self.client is not None else None) or self.name

    @property
    def owner(self) -> SessionOwner:
        """Whose their sessions are."""
        if self.staff is not None:
            return SessionOwner(LoginKind.STAFF, self.staff.id)
        return SessionOwner(LoginKind.CLIENT, self.login.id)

    @property
    def _of(self) -> Staff | Client:
        found = self.staff or self.client
        assert found is not None  # noqa: S101 -- the queries below find nobody else
        return found


@dataclass(frozen=True, slots=True)
class SessionOwner:
    """Whose sessions: a staff member's by their own id, a client's by their login's."""

    kind: LoginKind
    id: UUID


def by_email(tx: Tx, email_key: str, *, staff_only: bool = False) -> SignIn | None:
    """Whoever signs in with this email: a staff member who still works there, or a client with an active account."""
    found = _sign_in(tx, Login.email_key == email_key)
    return None if found is not None and staff_only and found.staff is None else found


def by_login(tx: Tx, login_id: UUID) -> SignIn | None:
    """`by_email`, by the login."""
    return _sign_in(tx, Login.id == login_id)


def by_session(tx: Tx, kind: LoginKind, token_hash: str) -> SignIn | None:
    """Whoever a live session of this kind belongs to, while they may sign in."""
    table = SESSIONS[kind]
    live = (table.token_hash == token_hash, table.idle_until > db_now(), table.ends_at > db_now())
    if kind is LoginKind.STAFF:
        statement = (
            select(Login, Staff)
            .join(Staff, Staff.login_id == Login.id)
            .join(StaffSession, StaffSession.staff_id == Staff.id)
        )
        return one_as(tx, SignIn, statement.where(*live, Staff.left_at.is_(None)))
    return _sign_in(tx, Login.id == select(ClientSession.login_id).where(*live).scalar_subquery())


def _sign_in(tx: Tx, condition: ColumnElement[bool]) -> SignIn | None:
    statement = (
        select(Login, Staff, Client, TeamMember)
        .outerjoin(Staff, and_(Staff.login_id == Login.id, Staff.left_at.is_(None)))
        .outerjoin(CoOwner, CoOwner.login_id == Login.id)
        .outerjoin(TeamMember, TeamMember.id == CoOwner.team_member_id)
        .outerjoin(Client, or_(Client.login_id == Login.id, Client.id == TeamMember.client_id))
        .where(condition)
        .where(
            or_(
                Staff.id.is_not(None),
                and_(Client.id.is_not(None), Client.archived_at.is_(None), Login.activated_at.is_not(None)),
            )
        )
    )
    return one_as(tx, SignIn, statement)


SessionTable = type[StaffSession] | type[ClientSession]
#: Where the sessions of each kind are.
SESSIONS: dict[LoginKind, SessionTable] = {LoginKind.STAFF: StaffSession, LoginKind.CLIENT: ClientSession}


def _owned(owner: SessionOwner) -> ColumnElement[bool]:
    if owner.kind is LoginKind.STAFF:
        return StaffSession.staff_id == owner.id
    return ClientSession.login_id == owner.id


def begin_session(
    tx: Tx, owner: SessionOwner, row: dict[str, Any], *, idle_seconds: float, seconds: float, is_confirmed: bool
) -> None:
    """Record a session, and delete every session of its kind that ended an hour ago, whoever's it was: until then, what
    staff send with it is kept (`portal_db.access.kept_forms`)."""
    table, an_hour_ago = SESSIONS[owner.kind], db_now(-3600.0)
    delete_rows(tx, table, or_(table.idle_until < an_hour_ago, table.ends_at < an_hour_ago))
    whose = {"staff_id" if owner.kind is LoginKind.STAFF else "login_id": owner.id}
    times = {"created_at": db_now(), "idle_until": db_now(idle_seconds), "ends_at": db_now(seconds)}
    times |= {"confirmed_at": db_now()} if is_confirmed else {}
    tx.session.execute(insert(table).values(**row, **whose, **times))


def is_idle_within(tx: Tx, kind: LoginKind, token_hash: str, *, seconds: float) -> bool:
    """Whether a session will end from idleness within `seconds`."""
    table = SESSIONS[kind]
    return has_row(tx, table.token_hash == token_hash, table.idle_until < db_now(seconds))


def prolong_session(tx: Tx, kind: LoginKind, token_hash: str, *, idle_seconds: float) -> None:
    table = SESSIONS[kind]
    update_rows(tx, table, table.token_hash == token_hash, idle_until=db_now(idle_seconds))


def is_confirmed(tx: Tx, kind: LoginKind, token_hash: str, *, seconds: float) -> bool:
    """Whether the owner of a session proved who they are within `seconds`."""
    table = SESSIONS[kind]
    return has_row(tx, table.token_hash == token_hash, table.confirmed_at > db_now(-seconds))


def confirm_session(tx: Tx, kind: LoginKind, token_hash: str) -> None:
    table = SESSIONS[kind]
    update_rows(tx, table, table.token_hash == token_hash, confirmed_at=db_now())


def end_session(tx: Tx, kind: LoginKind, token_hash: str) -> None:
    table = SESSIONS[kind]
    delete_rows(tx, table, table.token_hash == token_hash)


def sessions_of(tx: Tx, owner: SessionOwner) -> Sequence[StaffSession | ClientSession]:
    """Somebody's live sessions, the one seen last first."""
    table = SESSIONS[owner.kind]
    is_live = (table.idle_until > db_now(), table.ends_at > db_now())
    statement: Select[Any] = select(table).where(_owned(owner), *is_live)
    return tx.session.scalars(statement.order_by(table.idle_until.desc(), table.id)).all()


def end_session_of(tx: Tx, owner: SessionOwner, session_id: UUID) -> bool:
    """End a session of this person. False when they have no such session."""
    table = SESSIONS[owner.kind]
    return bool(delete_rows(tx, table, table.id == session_id, _owned(owner)))


def end_sessions_of(tx: Tx, owner: SessionOwner, *, keep: str | None = None) -> int:
    """End every session of a person, except the one with the hash `keep`, and return how many there were."""
    table = SESSIONS[owner.kind]
    is_other = table.token_hash != keep if keep is not None else true()
    return delete_rows(tx, table, _owned(owner), is_other)


def end_sessions_of_login(tx: Tx, login_id: UUID, *, keep: str | None = None) -> None:
    """`end_sessions_of` whoever has this login: after a new password, nobody who knew the old one stays signed in."""
    staff = staff_of(tx, login_id)
    if staff is not None:
        end_sessions_of(tx, SessionOwner(LoginKind.STAFF, staff.id), keep=keep)
    end_sessions_of(tx, SessionOwner(LoginKind.CLIENT, login_id), keep=keep)
    operator_ids = select(Operator.id).where(Operator.login_id == login_id)
    delete_rows(tx, OperatorSession, OperatorSession.operator_id.in_(operator_ids))
    delete_rows(tx, PendingSignIn, PendingSignIn.login_id == login_id)


def login(tx: Tx, login_id: UUID) -> Login:
    return tx.session.execute(select(Login).where(Login.id == login_id)).scalar_one()


def staff_of(tx: Tx, login_id: UUID) -> Staff | None:
    """The staff member who has this login."""
    return tx.session.scalar(select(Staff).where(Staff.login_id == login_id))


def known_about(tx: Tx, login_id: UUID) -> list[str]:
    """What people know about whose login this is, of which no password should consist: name, email address, firm."""
    statement = (
        select(Login.email, Staff.name, Client.name, TeamMember.name, Practice.name, Operator.name)
        .outerjoin(Staff, Staff.login_id == Login.id)
        .outerjoin(CoOwner, CoOwner.login_id == Login.id)
        .outerjoin(TeamMember, TeamMember.id == CoOwner.team_member_id)
        .outerjoin(Client, Client.login_id == Login.id)
        .outerjoin(
            Practice, Practice.id == func.coalesce(Staff.practice_id, Client.practice_id, TeamMember.practice_id)
        )
        .outerjoin(Operator, Operator.login_id == Login.id)
        .where(Login.id == login_id)
    )
    return [text for text in tx.session.execute(statement).one() if text is not None]


def renew_hash(tx: Tx, login_id: UUID, before: str, after: str) -> None:
    """Keep another hash of the same password. Nothing ends by it, except that browsers are no longer remembered."""
    update_rows(tx, Login, Login.id == login_id, Login.password_hash == before, password_hash=after)


def set_password(tx: Tx, login_id: UUID, password_hash: str) -> None:
    """Set it. A client's first one is set by activating the account only."""
    may_have_one = or_(Login.kind != LoginKind.CLIENT, Login.activated_at.is_not(None))
    update_rows(tx, Login, Login.id == login_id, may_have_one, password_hash=password_hash)
