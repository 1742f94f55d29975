"""Invitations of co-owners: one row per co-owner, which makes a second email impossible, and the intent before each sending.

A next version is made by `portal_db.welcome_emails.renew`, as of a client's welcome email.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from portal_db.access import account_emails
from portal_db.database import Tx
from portal_db.dialect import insert_or_ignore, one_as, update_rows
from portal_db.states import EmailState
from portal_db.tables import Client, CoOwner, CoOwnerInvitation, Login, Practice, PracticeLook, TeamMember
from portal_db.types import db_now
from portal_db.welcome_emails import message_id


def add(tx: Tx, login_id: UUID) -> bool:
    """Record a co-owner's invitation, to be sent. False when they have one: the unique index decides."""
    invitation_id: UUID = tx.new_id()
    row = {"id": invitation_id, "login_id": login_id, "version": 1, "state": EmailState.PENDING}
    row |= {"message_id": message_id(invitation_id, 1), "created_at": db_now()}
    return insert_or_ignore(tx, CoOwnerInvitation, row)


@dataclass(frozen=True, slots=True)
class AddressedInvitation:
    """An invitation, the co-owner it is for and their client, the practice it is from, the login whose address it goes to,
    and the look."""

    invitation: CoOwnerInvitation
    member: TeamMember
    client: Client
    practice: Practice
    login: Login
    look: PracticeLook | None


def addressed(tx: Tx, invitation_id: UUID, practice_id: UUID) -> AddressedInvitation | None:
    """A practice's invitation with everything needed to write it; `None` when anything of it is gone."""
    statement = (
        select(CoOwnerInvitation, TeamMember, Client, Practice, Login, PracticeLook)
        .join(Login, Login.id == CoOwnerInvitation.login_id)
        .join(CoOwner, CoOwner.login_id == Login.id)
        .join(TeamMember, TeamMember.id == CoOwner.team_member_id)
        .join(Client, Client.id == TeamMember.client_id)
        .join(Practice, Practice.id == TeamMember.practice_id)
        .outerjoin(PracticeLook, PracticeLook.practice_id == Practice.id)
        .where(CoOwnerInvitation.id == invitation_id, TeamMember.practice_id == practice_id)
    )
    return one_as(tx, AddressedInvitation, statement)


def begin_sending(tx: Tx, invitation_id: UUID, lease_token: UUID, *, token_hash: str, valid_seconds: float) -> bool:
    """Record the intent to send this link, which works from now on. False when the email is not pending."""
    link = {"token_hash": token_hash, "token_expires_at": db_now(valid_seconds)}
    return account_emails.begin_sending(tx, CoOwnerInvitation, invitation_id, lease_token, **link)


def withdraw(tx: Tx, invitation_id: UUID, lease_token: UUID) -> None:
    """End the intent of a lease that certainly sent nothing."""
    link = {"token_hash": None, "token_expires_at": None}
    account_emails.withdraw(tx, CoOwnerInvitation, invitation_id, lease_token, **link)


def cancel_pending(tx: Tx, invitation_id: UUID) -> None:
    """Cancel an invitation that nobody has begun to send."""
    is_pending = (CoOwnerInvitation.id == invitation_id, CoOwnerInvitation.state == EmailState.PENDING)
    update_rows(tx, CoOwnerInvitation, *is_pending, state=EmailState.CANCELLED)
