"""Reading requests to import: the idempotency key, one row, and a batch as JSON, CSV or Excel. API and pages share it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from fastapi.exceptions import RequestValidationError
from pydantic import Field, TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool

from handlers import refusals
from handlers.access.caller import Caller
from handlers.fields import Line, reason_of
from handlers.imports import batch_file, batch_xlsx
from handlers.imports.accept import MAX_BATCH
from handlers.imports.batch_rows import BadFile, BadLine, Row, found_in
from handlers.imports.request import ImportRequest, ImportWishes, parse
from web.http.models import Body
from web.http.problems import MOST_ERRORS

CSV, EXCEL = "text/csv", batch_xlsx.MEDIA_TYPE
#: Where a row stands in a body.
_Place = tuple[str | int, ...]
_line: TypeAdapter[str] = TypeAdapter(Line)


class NewBatch(Body):
    """Rows to import. When several rows share an email address, the first one gets it."""

    rows: Annotated[list[ImportWishes], Field(min_length=1, max_length=MAX_BATCH)]


class _UncheckedBatch(Body):
    """`NewBatch`, before its rows are looked at: its errors would otherwise all be made before the first is reported."""

    rows: Annotated[list[Any], Field(min_length=1, max_length=MAX_BATCH)]


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
    """The rows of a batch, from a JSON, CSV or Excel body; read in a thread, since it may take a while."""
    body = await request.body()
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type in (CSV, EXCEL):
        return await run_in_threadpool(rows_of_file, body)
    if media_type != "application/json":
        raise refusals.BAD_MEDIA_TYPE()
    return await run_in_threadpool(rows_of_json, body)


BatchRows = Annotated[list[ImportWishes], Depends(batch_rows)]


def rows_of_json(body: bytes | str) -> list[ImportWishes]:
    """The rows of a JSON document like `NewBatch`.

    Raises:
        RequestValidationError: it is no such document, or some rows are not valid.
    """
    try:
        found = _UncheckedBatch.model_validate_json(body).rows
    except ValidationError as error:
        raise _validation_error(error, "body") from None
    return _checked((("body", "rows", number), row) for number, row in enumerate(found))


#: Rows of a file, or what is wrong with a line.
_Items = Iterator[Row | BadLine]


def rows_of_file(body: bytes, prepare: Callable[[_Items], _Items] | None = None) -> list[ImportWishes]:
    """The rows of a CSV or Excel file.

    Args:
        prepare: changes rows as they were read before they are checked.

    Raises:
        RequestRefused: the file cannot be read, is empty, or has too many rows.
        RequestValidationError: some rows are not valid.
    """
    try:
        rows = _checked(
            (("body", f"line {item.line}"), item)
            if isinstance(item, BadLine)
            else (("body", f"line {item[0]}"), item[1])
            for item in (prepare or iter)(batch_file.read(body))
        )
    except BadFile as bad:
        raise refusals.BAD_CSV(reason=str(bad)) from None
    if not rows:
        raise refusals.BAD_BATCH_SIZE(max_rows=MAX_BATCH, count="none")
    return rows


def _checked(given: Iterable[tuple[_Place, Any]]) -> list[ImportWishes]:
    """The rows, which are read only as far as they are needed.

    Raises:
        RequestRefused: there are too many.
        RequestValidationError: some are not valid; no more of them are read than are reported.
    """
    rows: list[ImportWishes] = []
    errors: list[dict[str, Any]] = []
    for place, row in given:
        if isinstance(row, BadLine):
            errors.append({"type": "value_error", "loc": place, "msg": row.reason})
        else:
            try:
                rows.append(ImportWishes.model_validate(row))
            except ValidationError as error:
                errors += [_with_value(fault, row) for fault in _validation_error(error, *place).errors()]
        if len(errors) >= MOST_ERRORS:
            break
        if len(rows) > MAX_BATCH:
            raise refusals.BAD_BATCH_SIZE(max_rows=MAX_BATCH, count="more")
    if errors:
        raise RequestValidationError(errors)
    return rows


def _with_value(fault: dict[str, Any], row: Any) -> dict[str, Any]:
    """A fault in a row of a file, with what its cell holds."""
    place = fault["loc"]
    is_in_file = len(place) > 2 and str(place[1]).startswith("line ")
    return {**fault, "msg": f"{fault['msg']}{found_in(str(place[2]), row)}"} if is_in_file else fault


def _validation_error(error: ValidationError, *where: str | int) -> RequestValidationError:
    """The error as FastAPI reports it, at a place in the body, in plain words and without the input."""
    found = error.errors(include_url=False, include_input=False)
    return RequestValidationError(
        [{"type": item["type"], "loc": (*where, *item["loc"]), "msg": reason_of(item)} for item in found]
    )
