"""Activation links of invitations and the logins they activate. Callers pass the token's hash; the raw token never reaches
this module."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update

from portal_db.database import Tx
from portal_db.dialect import one_as, update_rows
from portal_db.states import LoginKind
from portal_db.tables import Client, CoOwner, CoOwnerInvitation, Login, Practice, TeamMember, WelcomeEmail
from portal_db.types import db_now


@dataclass(frozen=True, slots=True)
class Invited:
    """Whom an activation link is for: a client, or the co-owner of a client's account, and the practice it is from, as of
    `now`."""

    email: WelcomeEmail | CoOwnerInvitation
    login: Login
    practice: Practice
    person: Client | TeamMember
    now: datetime

    @property
    def given_name(self) -> str | None:
        """How they are addressed, where their name tells."""
        return self.person.given_name if isinstance(self.person, Client) else None


def by_link(tx: Tx, token_hash: str) -> Invited | None:
    """Find whom a link is for, used or not. A newer email or a changed login replaces the link, so it is not found."""
    of_client = (
        select(WelcomeEmail, Login, Practice, Client, db_now())
        .join(Client, Client.id == WelcomeEmail.client_id)
        .join(Practice, Practice.id == Client.practice_id)
        .join(Login, Login.id == Client.login_id)
        .where(WelcomeEmail.token_hash == token_hash)
    )
    of_co_owner = (
        select(CoOwnerInvitation, Login, Practice, TeamMember, db_now())
        .join(Login, Login.id == CoOwnerInvitation.login_id)
        .join(CoOwner, CoOwner.login_id == Login.id)
        .join(TeamMember, TeamMember.id == CoOwner.team_member_id)
        .join(Practice, Practice.id == TeamMember.practice_id)
        .where(CoOwnerInvitation.token_hash == token_hash)
    )
    return one_as(tx, Invited, of_client) or one_as(tx, Invited, of_co_owner)


def use_link(tx: Tx, token_hash: str) -> bool:
    """Mark a link used, once and before it expires. False when it is unknown, used or expired."""
    for table in (WelcomeEmail, CoOwnerInvitation):
        is_live = (table.token_used_at.is_(None), table.token_expires_at > db_now())
        if update_rows(tx, table, table.token_hash == token_hash, *is_live, token_used_at=db_now()):
            return True
    return False


def activate(tx: Tx, login_id: UUID, password_hash: str) -> bool:
    """Set the first password of a client or co-owner. False when their login is active already."""
    statement = (
        update(Login)
        .where(Login.id == login_id, Login.kind == LoginKind.CLIENT, Login.activated_at.is_(None))
        .values(password_hash=password_hash, activated_at=db_now())
        .returning(Login.id)
    )
    return tx.session.scalar(statement) is not None
