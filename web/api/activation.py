"""The link of a welcome email: checked, and used by the client to activate their account. Anyone with the link may call."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from handlers.access import activation, password_rules
from handlers.access.activation import LinkState
from handlers.fields import Text
from web.hashing import hashes_passwords
from web.http.identity import require_own_page
from web.http.models import Body
from web.portal import ThePortal

router = APIRouter(tags=["activation"])

Token = Annotated[Text, Field(min_length=1, max_length=200, description="the last part of the link")]


class OpenedLink(Body):
    token: Token


class TermsShown(BaseModel):
    """The practice's terms of use: a text or a link."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    text: str | None
    url: str | None


class LinkShown(BaseModel):
    """The state of the link. Only a live link names the practice and the client."""

    model_config = ConfigDict(from_attributes=True)

    state: LinkState
    practice_name: str | None
    client_name: str | None
    email: str | None
    until: datetime | None
    terms: TermsShown | None = Field(
        description="what the client is asked to accept; null if the practice has no terms"
    )


class NewAccount(Body):
    token: Token
    password: Annotated[str, Field(min_length=password_rules.SHORTEST, max_length=password_rules.LONGEST)]
    accept_terms: bool = Field(description="must be true where the practice has terms")
    terms_id: UUID | None = Field(None, description="the terms that were shown; refused if others count by now")


@router.post("/activation-link")
def look_at_link(portal: ThePortal, given: OpenedLink) -> LinkShown:
    """Check whether the link of a welcome email is live, was used, or has expired. This does not use it up."""
    return LinkShown.model_validate(activation.look(portal.database, given.token))


@router.post("/activation", status_code=204)
@hashes_passwords
def activate(request: Request, portal: ThePortal, given: NewAccount) -> None:
    """Activate the account that the link is for. The link works once."""
    require_own_page(request, portal)
    activation.activate(
        portal.database, given.token, given.password, accepts_terms=given.accept_terms, terms_id=given.terms_id
    )
