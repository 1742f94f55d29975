"""The link of a welcome email: looked at, and used by the client to activate their account. Open to whoever has the link."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from handlers.access import activation, passwords
from handlers.access.activation import LinkState
from web.http.identity import require_own_page
from web.portal import ThePortal

router = APIRouter(tags=["activation"])

Token = Annotated[str, Field(min_length=1, max_length=200, description="the last part of the link's address")]


class OpenedLink(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    token: Token


class LinkShown(BaseModel):
    """What the link is good for; only a live one says whose it is."""

    model_config = ConfigDict(from_attributes=True)

    state: LinkState
    practice_name: str | None
    client_name: str | None
    email: str | None
    until: datetime | None


class NewAccount(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    token: Token
    password: Annotated[str, Field(min_length=passwords.SHORTEST, max_length=passwords.LONGEST)]
    accept_terms: bool = Field(description="must be true")


@router.post("/activation-link")
def look_at_link(portal: ThePortal, given: OpenedLink) -> LinkShown:
    """Whether the link of a welcome email is live, was used, or has ended. Looking uses nothing up."""
    return LinkShown.model_validate(activation.look(portal.database, given.token))


@router.post("/activation", status_code=204)
def activate(request: Request, portal: ThePortal, given: NewAccount) -> None:
    """Activate the account that the link is for. The link is good for once."""
    require_own_page(request, portal)
    activation.activate(portal.database, given.token, given.password, accepts_terms=given.accept_terms)
