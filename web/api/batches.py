"""Batches of imports: checked first, requested, followed, cancelled, and downloaded as CSV to correct and send again."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from sse_starlette import EventSourceResponse

from handlers.access.act import Act
from handlers.imports import batch_csv, cancel, preflight, queries
from handlers.imports.accept import accept_batch
from handlers.imports.batch_rows import COLUMNS
from handlers.imports.preflight import Forecast
from handlers.imports.queries import BatchStatus
from portal_db.states import ImportState
from web.api.imports import Why
from web.http.bodies import CSV, EXCEL, BatchRows, IdempotencyKey, import_request
from web.http.events import STREAM, LastEventId, Snapshot, following
from web.http.identity import ConfirmedReader, Importer, Reader
from web.http.models import Answer
from web.http.problems import fault_of
from web.portal import ThePortal, budget_of
from web.usage import Use

router = APIRouter(prefix="/batches", tags=["batches"])

#: Bytes: 5,000 rows of a kilobyte each.
MAX_BODY = 5 * 1024 * 1024


class AcceptedBatch(BaseModel):
    """All rows are stored."""

    id: UUID
    size: int
    is_new: bool = Field(description="false if the same batch was accepted before")


class Batch(Answer):
    """The progress of a batch."""

    id: UUID
    size: int
    open: int = Field(description="rows that are not closed yet")
    states: dict[ImportState, int]
    requested_by: UUID
    created_at: datetime

    @classmethod
    def of(cls, found: BatchStatus) -> Self:
        return cls.from_row(found.row, open=found.open, states=found.states)


class BatchCancelled(BaseModel):
    """How many imports were cancelled, by their state now. An import whose email is being sent is still open."""

    cancelled: dict[ImportState, int]


class TurnedDown(Why):
    """A row that will be rejected; the first row is 0."""

    row: int


class Preflight(BaseModel):
    """What will happen to a batch, as far as it is known without calling XPM."""

    rows: int
    eligible: int
    unseen: int = Field(
        description="eligible rows whose XPM record has not been read yet, so XPM may still reject them"
    )
    turned_down: list[TurnedDown]
    by_code: dict[str, int]
    xpm_calls: int
    seconds: int = Field(description="how long the calls take within XPM's limits and what is left of today's")
    calls_left_today: int | None = Field(description="null if unknown")

    @classmethod
    def of(cls, found: Forecast) -> Self:
        return cls(
            rows=found.rows,
            eligible=found.eligible,
            unseen=found.unseen,
            turned_down=[
                TurnedDown(row=each.position, **fault_of(each.reason).model_dump()) for each in found.rejected
            ],
            by_code=found.by_code,
            xpm_calls=found.calls,
            seconds=found.seconds,
            calls_left_today=found.left_today,
        )


_csv_schema = {
    "type": "string",
    "description": f"A header, then one row per line. Columns: {', '.join(COLUMNS)}. Result columns are ignored.",
}
#: FastAPI cannot see from the code that a body is one of three media types.
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/NewBatch"}},
            CSV: {"schema": _csv_schema},
            EXCEL: {
                "schema": {"type": "string", "format": "binary", "description": "The same columns in the first sheet."}
            },
        },
    }
}


def counted(use: Use) -> Any:
    """A dependency that counts a use; those of the route itself come first, so it is before the body is read."""

    def take(portal: ThePortal, who: Importer) -> None:
        portal.uses.take(use, who)

    return Depends(take)


@router.post("/preflight", dependencies=[counted(Use.PREFLIGHT)], openapi_extra=BODY, max_body_size=MAX_BODY)
def look_ahead(portal: ThePortal, who: Importer, rows: BatchRows) -> Preflight:
    """Check rows without importing them. XPM is not called."""
    budget = budget_of(portal, preflight.tenant_of(portal.database, who))
    return Preflight.of(preflight.forecast(portal.database, who, rows, budget))


@router.post(
    "",
    status_code=202,
    dependencies=[counted(Use.BATCH)],
    openapi_extra=BODY,
    max_body_size=MAX_BODY,
    responses={200: {"description": "Accepted before", "model": AcceptedBatch}},
)
def request_batch(
    request: Request,
    response: Response,
    portal: ThePortal,
    who: Importer,
    rows: BatchRows,
    idempotency_key: IdempotencyKey,
) -> AcceptedBatch:
    """Request up to 5,000 clients and entities at once."""
    requests = [import_request(row, who, idempotency_key) for row in rows]
    found = accept_batch(portal.database, portal.bell, idempotency_key, requests)
    response.status_code = 202 if found.is_new else 200
    response.headers["Location"] = str(request.url_for("read_batch", batch_id=found.batch_id).path)
    return AcceptedBatch(id=found.batch_id, size=len(found.import_ids), is_new=found.is_new)


@router.get("/{batch_id}")
def read_batch(portal: ThePortal, who: Reader, batch_id: UUID) -> Batch:
    """The progress of a batch. `GET /imports?batch_id=` lists its imports."""
    return Batch.of(queries.get_batch(portal.database, who, batch_id))


@router.get("/{batch_id}/events", response_class=EventSourceResponse, responses=STREAM)
async def follow_batch(
    request: Request, portal: ThePortal, who: Reader, batch_id: UUID, last_event_id: LastEventId = None
) -> EventSourceResponse:
    """Follow the batch by server-sent events: `progress` at each change, `closed` once all of its imports are."""

    def look() -> Snapshot:
        found = queries.get_batch(portal.database, who, batch_id)
        return Snapshot(Batch.of(found), is_last=found.open == 0)

    return await following(portal, request, who, look, last_event_id)


@router.post("/{batch_id}/cancellation")
def cancel_batch(portal: ThePortal, who: Importer, batch_id: UUID) -> BatchCancelled:
    """Cancel the open imports of a batch. What was created stays."""
    return BatchCancelled(cancelled=cancel.cancel_batch(portal.database, Act.of_staff(who), batch_id))


@router.get(
    "/{batch_id}/result",
    response_class=StreamingResponse,
    responses={200: {"description": "the rows", "content": {CSV: {"schema": {"type": "string"}}}}},
)
def result(
    portal: ThePortal, who: ConfirmedReader, batch_id: UUID, only_open_or_failed: bool = False
) -> StreamingResponse:
    """Download the batch's rows as CSV with their results and remedies. Correct it and send it as a new batch."""
    portal.uses.take(Use.EXPORT, who)
    rows = queries.imports_of_batch(portal.database, who, batch_id)
    if only_open_or_failed:
        rows = [row for row in rows if row.state is not ImportState.SUCCEEDED]
    disposition = {"Content-Disposition": f'attachment; filename="batch-{batch_id}.csv"'}
    return StreamingResponse(batch_csv.write(rows), media_type=CSV, headers=disposition)
