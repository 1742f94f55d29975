"""Batches: looked ahead of, asked for, followed, and told row by row as CSV that can be corrected and sent again."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field, ValidationError
from sse_starlette import EventSourceResponse

from handlers import refusals
from handlers.access.act import Act
from handlers.imports import batch_csv, cancel, preflight, queries
from handlers.imports.accept import accept_batch
from handlers.imports.preflight import Forecast
from handlers.imports.queries import BatchStatus
from handlers.imports.request import ImportWishes
from portal_db.states import ImportState
from web.api.imports import IdempotencyKey, Why
from web.http.bodies import NewBatch, misfit, rows_of_csv, signed
from web.http.events import STREAM, LastEventId, Told, following
from web.http.identity import Importer, Reader
from web.portal import ThePortal, budget_of

router = APIRouter(prefix="/batches", tags=["batches"])

#: Bytes: 5,000 rows of a kilobyte each.
MAX_BODY = 5 * 1024 * 1024
CSV = "text/csv"


class AcceptedBatch(BaseModel):
    """All rows are in the record."""

    id: UUID
    size: int
    is_new: bool = Field(description="false when the same batch was accepted before")


class Batch(BaseModel):
    """How far a batch has come."""

    id: UUID
    size: int
    open: int = Field(description="rows that are not closed yet")
    states: dict[ImportState, int]
    requested_by: UUID
    created_at: datetime

    @classmethod
    def of(cls, found: BatchStatus) -> Self:
        row = found.row
        return cls(
            id=row.id,
            size=row.size,
            open=found.open,
            states=found.states,
            requested_by=row.requested_by,
            created_at=row.created_at,
        )


class BatchCancelled(BaseModel):
    """How many imports were cancelled, by the state each is in now. One whose email is being sent is still open."""

    cancelled: dict[ImportState, int]


class TurnedDown(Why):
    """A row that will be turned down; the first row is 0."""

    row: int


class Preflight(BaseModel):
    """What will become of a batch, as far as is known before XPM is asked."""

    rows: int
    eligible: int
    unseen: int = Field(description="eligible rows whose XPM record nobody has seen yet: only XPM knows about those")
    turned_down: list[TurnedDown]
    by_code: dict[str, int]
    xpm_calls: int
    seconds: int = Field(description="how long the calls take within XPM's limits, at what is left of today's")
    calls_left_today: int | None = Field(description="null while nobody can tell")

    @classmethod
    def of(cls, found: Forecast) -> Self:
        turned = [
            TurnedDown(
                row=item.position,
                code=item.reason.code,
                field=item.reason.field,
                message=item.reason.message,
                remedy=item.reason.remedy,
            )
            for item in found.turned
        ]
        return cls(
            rows=found.rows,
            eligible=found.eligible,
            unseen=found.unseen,
            turned_down=turned,
            by_code=found.by_code,
            xpm_calls=found.calls,
            seconds=found.seconds,
            calls_left_today=found.left_today,
        )


async def given_rows(request: Request) -> list[ImportWishes]:
    """The rows of the body, which is JSON or CSV."""
    body = await request.body()
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == CSV:
        return rows_of_csv(body)
    if media_type != "application/json":
        raise refusals.BAD_MEDIA_TYPE()
    try:
        return NewBatch.model_validate_json(body).rows
    except ValidationError as error:
        raise misfit(error, "body") from None


GivenRows = Annotated[list[ImportWishes], Depends(given_rows)]
_csv_schema = {
    "type": "string",
    "description": f"A header, then a row a line. Columns: {', '.join(batch_csv.COLUMNS)}. A result's columns are left out.",
}
#: FastAPI cannot tell from the code that a body is one of two media types.
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/NewBatch"}},
            CSV: {"schema": _csv_schema},
        },
    }
}


@router.post("/preflight", openapi_extra=BODY, max_body_size=MAX_BODY)
def look_ahead(portal: ThePortal, who: Importer, rows: GivenRows) -> Preflight:
    """What would become of these rows. Nothing is asked for, and XPM is not called."""
    budget = budget_of(portal, preflight.tenant_of(portal.database, who))
    return Preflight.of(preflight.forecast(portal.database, who, rows, budget))


@router.post(
    "",
    status_code=202,
    openapi_extra=BODY,
    max_body_size=MAX_BODY,
    responses={200: {"description": "Accepted before", "model": AcceptedBatch}},
)
def request_batch(
    request: Request,
    response: Response,
    portal: ThePortal,
    who: Importer,
    rows: GivenRows,
    idempotency_key: IdempotencyKey,
) -> AcceptedBatch:
    """Ask for up to 5,000 clients and entities at once."""
    signed_rows = [signed(row, who, idempotency_key) for row in rows]
    found = accept_batch(portal.database, signed_rows[0].request_id, signed_rows)
    response.status_code = 202 if found.is_new else 200
    response.headers["Location"] = str(request.url_for("read_batch", batch_id=found.batch_id).path)
    return AcceptedBatch(id=found.batch_id, size=len(found.import_ids), is_new=found.is_new)


@router.get("/{batch_id}")
def read_batch(portal: ThePortal, who: Reader, batch_id: UUID) -> Batch:
    """How far a batch has come. Its imports: `GET /imports?batch_id=`."""
    return Batch.of(queries.batch(portal.database, who, batch_id))


@router.get("/{batch_id}/events", response_class=EventSourceResponse, responses=STREAM)
async def follow_batch(
    portal: ThePortal, who: Reader, batch_id: UUID, last_event_id: LastEventId = None
) -> EventSourceResponse:
    """The batch as server-sent events: `progress` at each change, `closed` once all of its imports are."""

    def look() -> Told:
        found = queries.batch(portal.database, who, batch_id)
        return Told(Batch.of(found), is_last=found.open == 0)

    return await following(portal, who, look, last_event_id)


@router.post("/{batch_id}/cancellation")
def cancel_batch(portal: ThePortal, who: Importer, batch_id: UUID) -> BatchCancelled:
    """Cancel what is open of a batch. What was created stays."""
    return BatchCancelled(cancelled=cancel.cancel_batch(portal.database, Act.of_staff(who), batch_id))


@router.get(
    "/{batch_id}/result",
    response_class=StreamingResponse,
    responses={200: {"description": "the rows", "content": {CSV: {"schema": {"type": "string"}}}}},
)
def result(portal: ThePortal, who: Reader, batch_id: UUID, only_open_or_failed: bool = False) -> StreamingResponse:
    """The batch's rows as CSV with what became of each and the remedy. Corrected, it can be sent as another batch."""
    rows = queries.batch_rows(portal.database, who, batch_id)
    if only_open_or_failed:
        rows = [row for row in rows if row.state is not ImportState.SUCCEEDED]
    disposition = {"Content-Disposition": f'attachment; filename="batch-{batch_id}.csv"'}
    return StreamingResponse(batch_csv.write(rows), media_type=CSV, headers=disposition)
