"""Importing several clients at once: chosen in XPM or uploaded as a CSV, checked, then requested.

Nothing is stored between the steps: the rows travel in the form and are validated again at each step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import ValidationError
from starlette.datastructures import UploadFile

from handlers.directory.search import SearchResult
from handlers.errors import JobError, RequestRefused
from handlers.fields import Text
from handlers.imports import batch_names, preflight
from handlers.imports.accept import MAX_BATCH, accept_batch
from handlers.imports.request import ImportWishes
from portal_db.states import ClientKind, ClientType, Subscription
from web.http.bodies import NewBatch, idempotency_key, import_request, rows_of_file, rows_of_json
from web.http.problems import Fault, fault_of, faults_of
from web.pages.frame.forms import NO_ERRORS, FormErrors, Posted, PostedBy, PostedByImporter, kept_of
from web.pages.frame.view import page, redirect
from web.pages.frame.visitor import TheImporter, Visitor, importer
from web.pages.frame.xpm_search import search_xpm
from web.portal import budget_of
from web.usage import Use

router = APIRouter()

#: Bytes of a form with 5,000 rows in it.
MAX_FORM = 16 * 1024 * 1024
#: Rows that cannot be imported, shown with a field to correct them.
SHOWN = 100
#: Records chosen by tick boxes; a CSV may have more.
MAX_CHOSEN = 500
#: What people fill in: the client's name as XPM has it, and what they decide.
TEMPLATE = (
    "client,name,email,entity_type,client_type,subscription,send_welcome_email\r\n"
    '"Mitchell, Gwen",,gwen@example.com,,Personal,Starter,no\r\n'
    "Blue Reef Pty Ltd,,,Company,,,\r\n"
)
#: Refusals that another email address may resolve.
EMAIL_CODES = frozenset({"email_missing", "email_invalid", "email_ambiguous", "email_taken"})


@dataclass(frozen=True)
class ChosenRecord:
    """A record that was ticked, with the name that the page showed."""

    xpm_uuid: UUID
    kind: ClientKind
    name: str

    @property
    def packed(self) -> str:
        """The value of its tick box."""
        return f"{self.xpm_uuid} {self.kind.value} {self.name}"

    @classmethod
    def parse(cls, packed: object) -> ChosenRecord | None:
        uuid, _, rest = str(packed).partition(" ")
        kind, _, name = rest.partition(" ")
        try:
            return cls(UUID(uuid), ClientKind(kind), name[:500])
        except ValueError:
            return None


@dataclass(frozen=True)
class Choice:
    """The chosen records, the text to search for next, and the options that apply to all chosen individuals."""

    q: str = ""
    chosen: tuple[ChosenRecord, ...] = ()
    client_type: ClientType = ClientType.PERSONAL
    subscription: Subscription = Subscription.STARTER
    send_welcome_email: bool = False

    @classmethod
    def of(cls, posted: Posted) -> Choice:
        chosen = {each.xpm_uuid: each for each in map(ChosenRecord.parse, posted.form.getlist("row")) if each}
        return cls(
            posted.text("q")[:200],
            tuple(chosen.values())[:MAX_CHOSEN],
            ClientType.BUSINESS if posted.text("client_type") == ClientType.BUSINESS else ClientType.PERSONAL,
            Subscription.PRO if posted.text("subscription") == Subscription.PRO else Subscription.STARTER,
            posted.is_ticked("send_welcome_email"),
        )

    def has(self, found: SearchResult) -> bool:
        return any(each.xpm_uuid == found.record.uuid for each in self.chosen)

    def wishes(self) -> list[ImportWishes]:
        """The rows, in the order in which they were ticked."""
        options = {name: getattr(self, name) for name in ("client_type", "subscription", "send_welcome_email")}
        return [
            ImportWishes.model_validate(
                {"xpm_uuid": each.xpm_uuid, "kind": each.kind} | (options if each.kind is ClientKind.INDIVIDUAL else {})
            )
            for each in self.chosen
        ]


@router.get("/batches/new")
def show(visitor: TheImporter, q: Annotated[Text, Query(max_length=200)] = "") -> Response:
    """Choose several records, or upload a CSV; or what somebody had chosen, or was correcting, when their session ended."""
    kept = kept_of(visitor)
    if kept is None:
        return _choosing(visitor, Choice(q.strip()))
    posted = PostedBy(visitor, kept)
    _count(posted, Use.PREFLIGHT)
    rows = _rows(posted)
    return _checked(visitor, rows) if rows else _choosing(visitor, Choice.of(posted))


@router.post("/batches/new", max_body_size=MAX_FORM)
def choose(posted: PostedByImporter) -> Response:
    """Search for more records to choose, or check the chosen ones."""
    choice = Choice.of(posted)
    if posted.text("act") != "check":
        return _choosing(posted.visitor, choice)
    if not choice.chosen:
        nothing = Fault(
            code="nothing_chosen", message="No clients selected.", remedy="Search, then tick whom to import."
        )
        return _choosing(posted.visitor, choice, FormErrors(whole=nothing))
    _count(posted, Use.PREFLIGHT)
    return _checked(posted.visitor, choice.wishes())


@router.post("/batches/csv", max_body_size=MAX_FORM)
def read_csv(posted: PostedByImporter) -> Response:
    """Check the rows of a CSV or Excel file."""
    _count(posted, Use.PREFLIGHT)
    file = posted.form.get("file")
    try:
        body = file.file.read() if isinstance(file, UploadFile) else b""
        rows = rows_of_file(body, partial(batch_names.find, posted.visitor.database, posted.visitor.caller))
    except JobError as trouble:
        return _choosing(posted.visitor, Choice(), FormErrors(whole=fault_of(trouble), status=409))
    except RequestRefused as refused:
        return _choosing(posted.visitor, Choice(), FormErrors(), csv_errors=[fault_of(refused)])
    except RequestValidationError as error:
        return _choosing(
            posted.visitor, Choice(), FormErrors(), csv_errors=[_at_line(fault) for fault in faults_of(error)]
        )
    return _checked(posted.visitor, rows)


@router.get("/batches/template.csv", dependencies=[Depends(importer)])
def template() -> Response:
    """A CSV with the columns that people fill in, and an example of each kind."""
    headers = {"Content-Disposition": 'attachment; filename="import-template.csv"'}
    return Response(TEMPLATE, media_type="text/csv", headers=headers)


@router.post("/batches/check", max_body_size=MAX_FORM)
def check(posted: PostedByImporter) -> Response:
    """Check the corrected rows."""
    _count(posted, Use.PREFLIGHT)
    rows = _rows(posted)
    return _checked(posted.visitor, rows) if rows else redirect("/batches/new")


@router.post("/batches", max_body_size=MAX_FORM)
def import_rows(posted: PostedByImporter) -> Response:
    """Request the import of the rows, except rejected ones that nobody corrected. Sent twice, it is one batch."""
    _count(posted, Use.BATCH)
    visitor, rows = posted.visitor, _rows(posted)
    turned = posted.text("turned").split(",", MAX_BATCH)[:MAX_BATCH]
    left_out = {text for text in turned if not posted.text(f"email-{text}")}
    wanted = [row for position, row in enumerate(rows) if str(position) not in left_out]
    if not wanted:
        return _checked(visitor, rows, FormErrors()) if rows else redirect("/batches/new")
    try:
        key = idempotency_key(posted.text("idempotency_key"))
        requests = [import_request(row, visitor.caller, key) for row in wanted]
        found = accept_batch(visitor.database, visitor.portal.bell, key, requests)
    except RequestRefused as refused:
        return _checked(visitor, rows, FormErrors.of(refused))
    return redirect(f"/batches/{found.batch_id}")


def _count(posted: Posted, use: Use) -> None:
    """Count a use before rows are read, which is most of what it takes."""
    posted.visitor.portal.uses.take(use, posted.visitor.caller)


def _at_line(fault: Fault) -> Fault:
    """What is wrong with a file, at its line and column."""
    place = fault.field or ""
    line, _, column = place.partition(".")
    where = f"{line.capitalize()}, column {column}" if column else line.capitalize()
    message = fault.message.removeprefix(f"{place}: ")
    return Fault(
        code=fault.code, field=place, message=f"{where}: {message}", remedy="Correct it, then upload the file again."
    )


def _rows(posted: Posted) -> list[ImportWishes]:
    """The rows in the form, each with the email address that was typed for it, if any."""
    try:
        rows = rows_of_json(posted.text("rows"))
        return [_with_email(row, posted.text(f"email-{position}")) for position, row in enumerate(rows)]
    except (
        ValidationError,
        RequestValidationError,
        RequestRefused,
    ):  # people cannot type that: it is not one of our own forms
        return []


def _with_email(row: ImportWishes, email: str) -> ImportWishes:
    if not email or row.kind is not ClientKind.INDIVIDUAL:
        return row
    return ImportWishes.model_validate({**row.model_dump(), "email": email[:320]})


def _choosing(
    visitor: Visitor, choice: Choice, errors: FormErrors = NO_ERRORS, *, csv_errors: Sequence[Fault] = ()
) -> Response:
    found, trouble = search_xpm(visitor, choice.q)
    shown = {"choice": choice, "found": found, "trouble": trouble, "csv_errors": csv_errors, "most": MAX_BATCH}
    return page(visitor, "add_clients/batch_new.html", errors, **shown)


def _checked(visitor: Visitor, rows: Sequence[ImportWishes], errors: FormErrors = NO_ERRORS) -> Response:
    """What the import will do with each row, or why that cannot be said."""
    try:
        budget = budget_of(visitor.portal, preflight.tenant_of(visitor.database, visitor.caller))
        found = preflight.forecast(visitor.database, visitor.caller, rows, budget)
    except JobError as trouble:
        return _choosing(visitor, Choice(), FormErrors(whole=fault_of(trouble), status=409))
    shown = found.rejected[:SHOWN]
    records = [rows[item.position].xpm_uuid for item in shown]
    return page(
        visitor,
        "add_clients/batch_check.html",
        errors,
        found=found,
        rows=rows,
        packed=NewBatch(rows=list(rows)).model_dump_json(exclude_defaults=True),
        shown=shown,
        in_xpm=preflight.seen_in_xpm(visitor.database, visitor.caller, records),
        email_codes=EMAIL_CODES,
    )
