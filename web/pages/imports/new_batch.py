"""Importing several at once: chosen in XPM or sent as CSV, checked before anything is asked for, then asked for.

Nothing is kept between the steps: the rows travel in the form, and are read anew each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import ValidationError
from starlette.datastructures import UploadFile

from handlers.directory import search as directory_search
from handlers.directory.search import SearchResult
from handlers.errors import JobError, RequestRefused
from handlers.imports import preflight
from handlers.imports.accept import MAX_BATCH, accept_batch
from handlers.imports.request import ImportWishes
from portal_db.states import ClientKind, ClientType, Subscription
from portal_db.work import recent_imports
from web.http.bodies import NewBatch, rows_of_csv, signed
from web.http.problems import Fault, fault_of, faults_of, status_of
from web.pages.frame.filters import CHOICES
from web.pages.frame.forms import NONE, Faults, Posted, PostedByImporter
from web.pages.frame.view import go, page
from web.pages.frame.visitor import TheImporter, Visitor
from web.portal import Portal, ThePortal, budget_of

router = APIRouter()

#: Bytes of a form with 5,000 rows in it.
MAX_FORM = 16 * 1024 * 1024
#: Rows that are turned down, shown with a field to correct them.
SHOWN = 100
#: What an email address put right may mend.
EMAIL_CODES = frozenset({"email_missing", "email_invalid", "email_taken"})
Text = Annotated[str, Query(max_length=200)]


@router.get("/batches/new")
def show(
    request: Request, portal: ThePortal, visitor: TheImporter, q: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    """Choose several, or give a CSV."""
    return _choosing(request, portal, visitor, Choice.new(q))


@router.post("/batches/new", max_body_size=MAX_FORM)
def choose(request: Request, portal: ThePortal, posted: PostedByImporter) -> Response:
    """Search for more to choose, or go on to the check of what was chosen."""
    choice = Choice.of(posted)
    if posted.text("act") != "check":
        return _choosing(request, portal, posted.visitor, choice)
    if not choice.chosen:
        fault = Fault(code="nothing_chosen", message="Nobody is chosen.", remedy="Search, and tick whom to import.")
        return _choosing(request, portal, posted.visitor, choice, Faults(whole=fault), 422)
    return _checked(request, portal, posted.visitor, choice.wishes())


@router.post("/batches/csv", max_body_size=MAX_FORM)
def read_csv(request: Request, portal: ThePortal, posted: PostedByImporter) -> Response:
    """Check the rows of a CSV."""
    file = posted.form.get("file")
    body = file.file.read() if isinstance(file, UploadFile) else b""
    try:
        rows = rows_of_csv(body)
    except RequestRefused as refused:
        faults: Sequence[Fault] = [fault_of(refused)]
    except RequestValidationError as error:
        faults = faults_of(error)
    else:
        return _checked(request, portal, posted.visitor, rows)
    return _choosing(request, portal, posted.visitor, Choice.new(""), NONE, 422, bad_csv=faults)


@router.post("/batches/check", max_body_size=MAX_FORM)
def check(request: Request, portal: ThePortal, posted: PostedByImporter) -> Response:
    """Check the rows again, as corrected."""
    rows = _rows(posted)
    return _checked(request, portal, posted.visitor, rows) if rows else go("/batches/new")


@router.post("/batches", max_body_size=MAX_FORM)
def ask(request: Request, portal: ThePortal, posted: PostedByImporter) -> Response:
    """Ask for the rows, without those that the check turned down and nobody corrected. Sent twice, it is one batch."""
    visitor, rows = posted.visitor, _rows(posted)
    left_out = {text for text in posted.text("turned").split(",") if not posted.text(f"email-{text}")}
    wanted = [row for position, row in enumerate(rows) if str(position) not in left_out]
    if not wanted:
        return _checked(request, portal, visitor, rows, status=422) if rows else go("/batches/new")
    try:
        asked = [signed(row, visitor.caller, posted.text("idempotency_key")) for row in wanted]
        found = accept_batch(portal.database, asked[0].request_id, asked)
    except RequestRefused as refused:
        return _checked(request, portal, visitor, rows, Faults(whole=fault_of(refused)), status_of(refused))
    return go(f"/batches/{found.batch_id}")


def _rows(posted: Posted) -> list[ImportWishes]:
    """The rows that travelled in the form, each with the email that was typed for it, if one was."""
    try:
        rows = NewBatch.model_validate_json(posted.text("rows")).rows
        return [_with_email(row, posted.text(f"email-{position}")) for position, row in enumerate(rows)]
    except ValidationError:  # nobody typed that: it is not a form of ours
        return []


def _with_email(row: ImportWishes, email: str) -> ImportWishes:
    if not email or row.kind is not ClientKind.INDIVIDUAL:
        return row
    return ImportWishes.model_validate({**row.model_dump(), "email": email[:320]})


def _choosing(
    request: Request,
    portal: Portal,
    visitor: Visitor,
    choice: Choice,
    faults: Faults = NONE,
    status: int = 200,
    *,
    bad_csv: Sequence[Fault] = (),
) -> Response:
    found, trouble = search(portal, visitor, choice)
    return page(
        request,
        visitor,
        "imports/batch_new.html",
        status=status,
        choice=choice,
        found=found,
        trouble=trouble,
        faults=faults,
        bad_csv=bad_csv,
        most=MAX_BATCH,
        **OPTIONS,
    )


def _checked(
    request: Request,
    portal: Portal,
    visitor: Visitor,
    rows: Sequence[ImportWishes],
    faults: Faults = NONE,
    status: int = 200,
) -> Response:
    """What would become of the rows; or why nobody can tell."""
    try:
        found = preflight.forecast(
            portal.database,
            visitor.caller,
            rows,
            budget_of(portal, preflight.tenant_of(portal.database, visitor.caller)),
        )
    except JobError as trouble:
        return _choosing(request, portal, visitor, Choice.new(""), Faults(whole=fault_of(trouble)), 409)
    shown = found.turned[:SHOWN]
    return page(
        request,
        visitor,
        "imports/batch_check.html",
        status=status,
        found=found,
        rows=rows,
        packed=NewBatch(rows=list(rows)).model_dump_json(exclude_defaults=True),
        shown=shown,
        names=names(portal, visitor, [rows[item.position] for item in shown]),
        email_codes=EMAIL_CODES,
        faults=faults,
        key=portal.services.sources.new_id().hex,
    )


SHORTEST = 2
#: Chosen by ticks; a CSV takes more.
MOST = 500
OPTIONS = {name: CHOICES[name] for name in ("client_types", "subscriptions")}


@dataclass(frozen=True)
class Chosen:
    """A record that was ticked. Its name is what the page showed."""

    xpm_uuid: UUID
    kind: ClientKind
    name: str

    @property
    def packed(self) -> str:
        """As its tick box carries it."""
        return f"{self.xpm_uuid} {self.kind.value} {self.name}"

    @classmethod
    def parse(cls, packed: str) -> Chosen | None:
        uuid, _, rest = packed.partition(" ")
        kind, _, name = rest.partition(" ")
        try:
            return cls(UUID(uuid), ClientKind(kind), name[:500])
        except ValueError:
            return None

    @classmethod
    def of(cls, found: SearchResult) -> Chosen:
        return cls(found.record.uuid, found.suggested, found.record.name)


@dataclass(frozen=True)
class Choice:
    """What is chosen, what is searched for next, and what holds for all individuals of it."""

    q: str
    chosen: tuple[Chosen, ...]
    client_type: str
    subscription: str
    send_welcome_email: str

    @classmethod
    def new(cls, q: str) -> Choice:
        return cls(q.strip(), (), ClientType.PERSONAL, Subscription.STARTER, "no")

    @classmethod
    def of(cls, posted: Posted) -> Choice:
        ticked = (Chosen.parse(value) for value in posted.form.getlist("row") if isinstance(value, str))
        chosen = {each.xpm_uuid: each for each in ticked if each is not None}
        return cls(
            posted.text("q")[:200],
            tuple(chosen.values())[:MOST],
            ClientType.BUSINESS if posted.text("client_type") == ClientType.BUSINESS else ClientType.PERSONAL,
            Subscription.PRO if posted.text("subscription") == Subscription.PRO else Subscription.STARTER,
            "yes" if posted.is_ticked("send_welcome_email") else "no",
        )

    def has(self, found: SearchResult) -> bool:
        return any(each.xpm_uuid == found.record.uuid for each in self.chosen)

    def wishes(self) -> list[ImportWishes]:
        """The rows, in the order in which they were ticked."""
        of_individuals = {
            "client_type": self.client_type,
            "subscription": self.subscription,
            "send_welcome_email": self.send_welcome_email == "yes",
        }
        return [
            ImportWishes.model_validate(
                {
                    "xpm_uuid": each.xpm_uuid,
                    "kind": each.kind,
                    **(of_individuals if each.kind is ClientKind.INDIVIDUAL else {}),
                }
            )
            for each in self.chosen
        ]


def search(portal: Portal, visitor: Visitor, choice: Choice) -> tuple[list[SearchResult] | None, JobError | None]:
    """What XPM has of the name that is searched for; or why it cannot say."""
    if visitor.xpm.trouble is not None:
        return None, visitor.xpm.trouble
    if len(choice.q) < SHORTEST:
        return None, None
    try:
        return directory_search.in_xpm(portal.services, visitor.caller, choice.q), None
    except JobError as trouble:
        return None, trouble


def names(portal: Portal, visitor: Visitor, rows: Sequence[ImportWishes]) -> dict[UUID, str]:
    """What XPM calls the rows' records, as far as anybody at the practice has seen them."""
    with portal.database.read() as tx:
        return recent_imports.names_in_xpm(tx, visitor.caller.practice_id, [row.xpm_uuid for row in rows])
