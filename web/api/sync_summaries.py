"""What syncs of the practice's directories brought: records, and what became of the relationships of linked clients."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from handlers import sync_summaries
from portal_db.resyncs import Synced
from portal_db.states import SyncMode, SyncState
from web.identity import Reader
from web.portal import ThePortal

router = APIRouter(prefix="/integrations/xpm/syncs", tags=["integration"])


class Relationships(BaseModel):
    """What a sync brought to the relationships of the practice's linked clients."""

    clients: int = Field(description="clients whose XPM record had changed")
    added: int = Field(description="new review items")
    changed: int
    ended: int
    conflicts: int = Field(description="items whose direction or label a reviewer should look at")
    waiting: int = Field(description="items that waited for review at its end")
    finished_at: datetime | None


class SyncSummary(BaseModel):
    """One sync. Numbers of records are null while it runs; `relationships` is null where it brought none of them news."""

    id: UUID
    mode: SyncMode
    state: SyncState
    reason: str | None
    started_at: datetime
    finished_at: datetime | None
    seen: int | None
    added: int | None
    changed: int | None
    gone: int | None
    relationships: Relationships | None

    @classmethod
    def of(cls, found: Synced) -> Self:
        columns = {name: getattr(found.sync, name) for name in cls.model_fields if name != "relationships"}
        summary = Relationships.model_validate(found.summary, from_attributes=True) if found.summary else None
        return cls.model_validate({**columns, "relationships": summary})


class SummaryPage(BaseModel):
    """Syncs, the newest first. `next_cursor` leads to those before them; null at the end."""

    items: list[SyncSummary]
    next_cursor: str | None


class Listing(BaseModel):
    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=200)] = 20
    cursor: Annotated[str, Field(max_length=200)] | None = Field(None, description="the page before's `next_cursor`")


@router.get("")
def list_syncs(portal: ThePortal, who: Reader, query: Annotated[Listing, Query()]) -> SummaryPage:
    """Syncs of the directories that the practice's connections read, the newest first."""
    found = sync_summaries.page(portal.database, who, cursor=query.cursor, limit=query.limit)
    return SummaryPage(
        items=[SyncSummary.of(each) for each in found.syncs], next_cursor=str(found.next) if found.next else None
    )
