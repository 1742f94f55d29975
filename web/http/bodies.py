"""Reading request bodies: imports, batches and CSV files."""

from __future__ import annotations

from typing import Annotated

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from handlers import refusals
from handlers.access.caller import Caller
from handlers.fields import Line
from handlers.imports import batch_csv
from handlers.imports.accept import MAX_BATCH
from handlers.imports.batch_csv import BadFile, BadLine
from handlers.imports.request import ImportRequest, ImportWishes, parse


class NewBatch(BaseModel):
    """Rows in an order that decides who gets an email that several share."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    rows: Annotated[list[ImportWishes], Field(min_length=1, max_length=MAX_BATCH)]


def rows_of_csv(body: bytes) -> list[ImportWishes]:
    """The rows of a CSV.

    Raises:
        RequestRefused, RequestValidationError: it is not one, holds too many or none, or some rows do not fit.
    """
    try:
        found = list(batch_csv.read(body.decode("utf-8-sig")))
    except UnicodeDecodeError:
        raise refusals.BAD_CSV(reason="is not UTF-8 text") from None
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
            errors += misfit(error, "body", f"line {line}").errors()
    if errors:
        raise RequestValidationError(errors)
    if not 1 <= len(found) <= MAX_BATCH:
        raise refusals.BAD_BATCH_SIZE(max_rows=MAX_BATCH, count=len(found))
    return rows


def misfit(error: ValidationError, *where: str) -> RequestValidationError:
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return RequestValidationError([{**item, "loc": (*where, *item["loc"])} for item in found])


_key: TypeAdapter[str] = TypeAdapter(Line)


def signed(wishes: ImportWishes, who: Caller, key: str) -> ImportRequest:
    """What is asked for, by whom and under which key.

    Raises:
        RequestRefused: the key is not one line of text.
    """
    fields = {"practice_id": who.practice_id, "requested_by": who.staff_id, "request_id": key_of(key)}
    return parse({**wishes.model_dump(), **fields})


def key_of(given: str) -> str:
    """A key for a request.

    Raises:
        RequestRefused: it is not one line of text.
    """
    try:
        return _key.validate_python(given)
    except ValidationError:
        raise refusals.BAD_IDEMPOTENCY_KEY() from None
