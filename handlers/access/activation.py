"""A client, or a co-owner of their account, opens the link of their invitation and activates it: sets a password and accepts
the terms, if the practice has any.

The link works once and expires after 30 days. A newer email or a changed login ends it (b.6, design §5).
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from handlers import refusals
from handlers.access import password_rules
from handlers.access.firm import PLAIN, Look, look_of
from handlers.access.passwords import hash_of
from handlers.access.tokens import hashed
from handlers.errors import RequestRefused
from handlers.services import Services
from portal_db import audit
from portal_db.access import activations, terms
from portal_db.access.activations import Invited
from portal_db.database import Database
from portal_db.states import ActorKind
from portal_db.tables import Terms


class LinkState(StrEnum):
    """The state of a link."""

    LIVE = "live"
    #: The account was activated by it.
    USED = "used"
    #: Too old, replaced by a newer one, or no link at all: the page does not reveal which.
    ENDED = "ended"


@dataclass(frozen=True)
class Link:
    """A link as shown to the person who opens it. Only a live one shows whose it is."""

    state: LinkState
    practice_name: str | None = None
    client_name: str | None = None
    given_name: str | None = None
    email: str | None = None
    until: datetime | None = None
    terms: Terms | None = None
    look: Look = PLAIN


def look(database: Database, token: str) -> Link:
    """The state of a link."""
    with database.read() as tx:
        found = activations.by_link(tx, hashed(token))
        state = _state_of(found)
        if found is None or state is not LinkState.LIVE:
            return Link(state)
        its_terms, its_look = terms.newest(tx, found.practice.id), look_of(tx, found.practice.id)
    return Link(
        state,
        practice_name=found.practice.name,
        client_name=found.person.name,
        given_name=found.given_name,
        email=found.login.email,
        until=found.email.token_expires_at,
        terms=its_terms,
        look=its_look,
    )


def activate(
    database: Database, token: str, password: str, *, accepts_terms: bool, terms_id: UUID | None = None
) -> UUID:
    """Activate the account that a link is for.

    Args:
        accepts_terms: whether they accept the practice's terms, where it has any.
        terms_id: the terms that they were shown; those that count now, if it is left out.

    Returns:
        The login, for `handlers.access.sessions.begin_after_activation`.

    Raises:
        RequestRefused: the link is not valid (any more), the password does not fit the rules, or the terms are not
            accepted or have changed since they were shown; nothing is changed then.
    """
    token_hash = hashed(token)
    with database.read() as tx:
        found = activations.by_link(tx, token_hash)
        its_terms = terms.newest(tx, found.practice.id) if found is not None else None
    state = _state_of(found)
    if found is None or state is not LinkState.LIVE:
        raise _refusal(state)
    if its_terms is not None and terms_id not in (None, its_terms.id):
        raise refusals.TERMS_CHANGED()
    if its_terms is not None and not accepts_terms:
        raise refusals.TERMS_NOT_ACCEPTED()
    password_rules.require(password, (found.person.name, found.login.email, found.practice.name))
    made = hash_of(password)
    with database.write() as tx:
        login_id = found.login.id
        if not (activations.use_link(tx, token_hash) and activations.activate(tx, login_id, made)):
            # Another request was faster, or the link ended while the password was hashed.
            raise _refusal(_state_of(activations.by_link(tx, token_hash)))
        if its_terms is not None:
            terms.accept(tx, login_id, its_terms.id)
        audit.record(
            tx,
            action="login.activate",
            subject="login",
            subject_id=login_id,
            practice_id=None,
            actor=ActorKind.SYSTEM,
            why="by the link of the invitation",
        )
    return login_id


def _state_of(found: Invited | None) -> LinkState:
    if found is None:
        return LinkState.ENDED
    if found.email.token_used_at is not None or found.login.activated_at is not None:
        return LinkState.USED
    expires = found.email.token_expires_at
    return LinkState.LIVE if expires is not None and expires > found.now else LinkState.ENDED


def _refusal(state: LinkState) -> RequestRefused:
    """Why a link does not work, one that is live included: somebody is using it just now."""
    return refusals.ACTIVATION_LINK_EXPIRED() if state is LinkState.ENDED else refusals.ALREADY_ACTIVATED()


def activation_token(services: Services, email_id: UUID, version: int) -> str:
    """The secret in the link, derived so that every attempt at one version sends the same one; only its hash is stored."""
    key = services.settings.derived_key("activation link")
    return hmac.new(key, f"{email_id}.{version}".encode(), hashlib.sha256).hexdigest()
