"""A client's history: field by field, as it was and as it became, and where the change came from."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from handlers import client_history
from portal_db.states import ChangeSource
from portal_db.tables import ClientChange
from web.identity import Reader
from web.portal import ThePortal

router = APIRouter(tags=["clients"])


class Change(BaseModel):
    """One field's change. `about_id` and `about_name` name the relationship or team member that it is about."""

    at: datetime
    source: ChangeSource
    staff_id: UUID | None = Field(description="who decided it, where a person did")
    import_id: UUID | None
    sync_id: UUID | None
    about: Literal["client", "relationship", "team_member"]
    about_id: UUID | None
    about_name: str | None
    field: str
    before: str | None
    after: str | None

    @classmethod
    def of(cls, row: ClientChange) -> Self:
        return cls.model_validate({name: getattr(row, name) for name in cls.model_fields})


class HistoryPage(BaseModel):
    """Changes, the newest first. `next_cursor` leads to those before them; null at the end."""

    items: list[Change]
    next_cursor: str | None


class Listing(BaseModel):
    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=200)] | None = Field(None, description="the page before's `next_cursor`")


@router.get("/clients/{client_id}/history")
def read_history(portal: ThePortal, who: Reader, client_id: UUID, query: Annotated[Listing, Query()]) -> HistoryPage:
    """What changed of a client, its relationships and its team."""
    found = client_history.page(portal.database, who, client_id, cursor=query.cursor, limit=query.limit)
    return HistoryPage(
        items=[Change.of(row) for row in found.changes], next_cursor=str(found.next) if found.next else None
    )
