"""API keys of the caller's practice, for owners and account admins."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from handlers.access import api_keys
from handlers.access.caller import Scope
from handlers.fields import Text
from web.http.identity import ConfirmedKeeper, Keeper
from web.http.models import Answer, Body
from web.portal import ThePortal
from web.usage import Use

router = APIRouter(prefix="/api-keys", tags=["API keys"])


class NewKey(Body):
    name: Annotated[Text, Field(min_length=1, max_length=200, description="what it is for")]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(Scope))]
    days: Annotated[int, Field(ge=1, le=api_keys.LONGEST_DAYS)] | None = Field(
        None, description="after which it ends; without them it lasts until somebody ends it"
    )


class Key(Answer):
    id: UUID
    name: str
    hint: str = Field(description="how the key begins")
    scopes: list[str]
    created_at: datetime
    made_by: UUID | None = Field(description="the staff member who made it; null: an operator")
    last_used_at: datetime | None = Field(description="give or take a few minutes")
    ends_at: datetime | None = Field(description="when it stops working")
    is_ending: bool = Field(description="it ends within 14 days: replace it")


class Secret(BaseModel):
    id: UUID
    secret: str = Field(description="the key; shown only once")


@router.get("")
def list_keys(portal: ThePortal, who: Keeper) -> list[Key]:
    """The practice's keys, including those that have ended, newest first."""
    now = portal.services.sources.now()
    rows = api_keys.listing(portal.database, who.practice_id)
    return [Key.from_row(row, is_ending=api_keys.is_ending(row, now)) for row in rows]


@router.post("", status_code=201)
def add_key(portal: ThePortal, who: ConfirmedKeeper, given: NewKey) -> Secret:
    """Create a key."""
    portal.uses.take(Use.API_KEY, who)
    made = api_keys.add(
        portal.database, who.practice_id, given.name, set(given.scopes), days=given.days, by=who.staff_id
    )
    return Secret(id=made.key_id, secret=made.secret)


@router.post("/{key_id}/rotation", status_code=201)
def rotate_key(portal: ThePortal, who: ConfirmedKeeper, key_id: UUID) -> Secret:
    """Replace a key with a new one, which lasts as long. The old one works for another day."""
    portal.uses.take(Use.API_KEY, who)
    made = api_keys.rotate(portal.database, key_id, practice_id=who.practice_id, by=who.staff_id)
    return Secret(id=made.key_id, secret=made.secret)


@router.delete("/{key_id}", status_code=204)
def revoke_key(portal: ThePortal, who: Keeper, key_id: UUID) -> None:
    """End a key now."""
    api_keys.revoke(portal.database, key_id, practice_id=who.practice_id, by=who.staff_id)
