"""A client opens the link of their welcome email and activates their account: sets a password and accepts the terms.

The link works once and expires after 30 days. A newer email or a changed login ends it (b.6, design §5).
`activated_at` is when the terms were accepted.
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
from handlers.access.passwords import hash_of
from handlers.access.tokens import hashed
from handlers.services import Services
from portal_db import audit
from portal_db.access import activations
from portal_db.access.activations import Invited
from portal_db.database import Database
from portal_db.states import ActorKind


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


def look(database: Database, token: str) -> Link:
    """The state of a link."""
    with database.read() as tx:
        found = activations.by_link(tx, hashed(token))
    state = _state_of(found)
    if found is None or state is not LinkState.LIVE:
        return Link(state)
    client = found.client
    return Link(
        state,
        practice_name=found.practice.name,
        client_name=client.name,
        given_name=client.given_name,
        email=found.login.email,
        until=found.email.token_expires_at,
    )


def activate(database: Database, token: str, password: str, *, accepts_terms: bool) -> None:
    """Activate the account that a link is for.

    Raises:
        RequestRefused: the link is not valid (any more), the password does not fit the rules, or the terms are not
            accepted; nothing is changed then.
    """
    token_hash = hashed(token)
    with database.read() as tx:
        found = activations.by_link(tx, token_hash)
    _require_live(_state_of(found))
    if not accepts_terms:
        raise refusals.TERMS_NOT_ACCEPTED()
    password_rules.require(password, (found.client.name, found.login.email, found.practice.name) if found else ())
    made = hash_of(password)
    with database.write() as tx:
        client_id = activations.use_link(tx, token_hash)
        login_id = activations.activate(tx, client_id, made) if client_id is not None else None
        if login_id is None:
            # Another request was faster, or the link ended while the password was hashed.
            state = _state_of(activations.by_link(tx, token_hash))
            _require_live(LinkState.USED if state is LinkState.LIVE else state)
        else:
            audit.record(
                tx,
                action="login.activate",
                subject="login",
                subject_id=login_id,
                practice_id=None,
                actor=ActorKind.SYSTEM,
                why="by the link of the welcome email",
            )


def _state_of(found: Invited | None) -> LinkState:
    if found is None:
        return LinkState.ENDED
    if found.email.token_used_at is not None or found.login.activated_at is not None:
        return LinkState.USED
    expires = found.email.token_expires_at
    return LinkState.LIVE if expires is not None and expires > found.now else LinkState.ENDED


def _require_live(state: LinkState) -> None:
    match state:
        case LinkState.USED:
            raise refusals.ALREADY_ACTIVATED()
        case LinkState.ENDED:
            raise refusals.ACTIVATION_LINK_EXPIRED()
        case LinkState.LIVE:
            return


def activation_token(services: Services, email_id: UUID, version: int) -> str:
    """The secret in the link, derived so that every attempt at one version sends the same one; only its hash is stored."""
    key = services.settings.derived_key("activation link")
    return hmac.new(key, f"{email_id}.{version}".encode(), hashlib.sha256).hexdigest()
