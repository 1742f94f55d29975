"""Reading requests to import: the idempotency key, one row, and a batch as JSON, CSV or Excel. API and pages share it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Header, Request
from fastapi.exceptions import RequestValidationError
from pydantic import Field, TypeAdapter, ValidationError

from handlers import refusals
from handlers.access.caller import Caller
from handlers.fields import Line
from handlers.imports import batch_file, batch_xlsx
from handlers.imports.accept import MAX_BATCH
from handlers.imports.batch_rows import BadFile, BadLine, found_in
from handlers.imports.request import ImportRequest, ImportWishes, parse
from web.http.models import Body

CSV, EXCEL = "text/csv", batch_xlsx.MEDIA_TYPE
_line: TypeAdapter[str] = TypeAdapter(Line)


class NewBatch(Body):
    """Rows to import. When several rows share an email address, the first one gets it."""

    rows: Annotated[list[ImportWishes], Field(min_length=1, max_length=MAX_BATCH)]


def idempotency_key(
    given: Annotated[
        str,
        Header(
            alias="Idempotency-Key",
            min_length=1,
            max_length=200,
            description="Your own key for this request. Repeating the request with the same key does nothing twice.",
        ),
    ],
) -> str:
    """The key of a request.

    Raises:
        RequestRefused: it is not one line of text.
    """
    try:
        return _line.validate_python(given)
    except ValidationError:
        raise refusals.BAD_IDEMPOTENCY_KEY() from None


IdempotencyKey = Annotated[str, Depends(idempotency_key)]


def import_request(wishes: ImportWishes, who: Caller, key: str) -> ImportRequest:
    """The import that the caller requests under an idempotency key."""
    fields = {"practice_id": who.practice_id, "requested_by": who.staff_id, "request_id": key}
    return parse({**wishes.model_dump(), **fields})


async def batch_rows(request: Request) -> list[ImportWishes]:
    """The rows of a batch, from a JSON, CSV or Excel body."""
    body = await request.body()
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type in (CSV, EXCEL):
        return rows_of_file(body)
    if media_type != "application/json":
        raise refusals.BAD_MEDIA_TYPE()
    try:
        return NewBatch.model_validate_json(body).rows
    except ValidationError as error:
        raise _validation_error(error, "body") from None


BatchRows = Annotated[list[ImportWishes], Depends(batch_rows)]


def rows_of_file(body: bytes) -> list[ImportWishes]:
    """The rows of a CSV or Excel file.

    Raises:
        RequestRefused: the file cannot be read, is empty, or has too many rows.
        RequestValidationError: some rows are not valid.
    """
    try:
        found = list(batch_file.read(body))
    except BadFile as bad:
        raise refusals.BAD_CSV(reason=str(bad)) from None
    rows, errors = [], []
    for item in found[: MAX_BATCH + 1]:
        if isinstance(item, BadLine):
            errors.append({"type": "value_error", "loc": ("body", f"line {item.line}"), "msg": item.reason})
            continue
        line, fields = item
        try:
            rows.append(ImportWishes.model_validate(fields))
        except ValidationError as error:
            for fault in _validation_error(error, "body", f"line {line}").errors():
                column = str(fault["loc"][2]) if len(fault["loc"]) > 2 else None
                errors.append({**fault, "msg": f"{fault['msg']}{found_in(column, fields)}"})
    if errors:
        raise RequestValidationError(errors)
    if not 1 <= len(found) <= MAX_BATCH:
        raise refusals.BAD_BATCH_SIZE(max_rows=MAX_BATCH, count=len(found))
    return rows


def _validation_error(error: ValidationError, *where: str) -> RequestValidationError:
    """The error as FastAPI reports it, at a place in the body and without the input."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return RequestValidationError([{**item, "loc": (*where, *item["loc"])} for item in found])
