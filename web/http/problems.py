"""Errors as `application/problem+json` (RFC 9457): each has a code, a message and, where known, a field and a remedy.

An error never repeats what was sent and reveals nothing internal: an unexpected one says only that something went wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from config.settings import SettingsError
from handlers.errors import JobError, RefusedForNow, RequestRefused, from_xpm
from portal_db.database import DATABASE_AWAY
from portal_db.states import ErrorClass
from xpm.errors import XpmError

log = structlog.stdlib.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
#: Faults reported of one request, at most.
MOST_ERRORS = 50
AWAY_SECONDS = 5.0


class Fault(BaseModel):
    """One thing that is wrong."""

    code: str = Field(description="stable, for programs: `email_taken`")
    field: str | None = Field(None, description="the input that is wrong")
    message: str = Field(description="what happened, for people")
    remedy: str | None = Field(None, description="what to do about it")


class Problem(Fault):
    """An error. If several things are wrong, `errors` lists them all and the problem itself is the first."""

    type: str = "about:blank"
    title: str
    status: int
    errors: list[Fault] = []


#: The status of a refusal by its code. A code that is not listed means an invalid value: 422.
STATUS: dict[str, int] = {
    "not_signed_in": 401,
    "bad_credentials": 401,
    "bad_key": 401,
    "bad_code": 401,
    "sign_in_ended": 401,
    "second_factor_needed": 401,
    "second_factor_not_set_up": 403,
    "not_allowed": 403,
    "scope_missing": 403,
    "csrf": 403,
    "unknown_staff": 403,
    "unknown_practice": 404,
    "unknown_import": 404,
    "unknown_batch": 404,
    "unknown_client": 404,
    "unknown_connection": 404,
    "unknown_key": 404,
    "unknown_co_owner": 404,
    "unknown_task": 404,
    "unknown_webhook": 404,
    "unknown_item": 404,
    "unknown_colleague": 404,
    "unknown_file": 404,
    "unknown_structure": 404,
    "already_connected": 409,
    "client_exists": 409,
    "client_archived": 409,
    "done_elsewhere": 409,
    "connection_needed": 409,
    "email_being_sent": 409,
    "email_outcome_unknown": 409,
    "email_under_way": 409,
    "entities_only": 409,
    "field_changed": 409,
    "has_open_tasks": 409,
    "import_closed": 409,
    "link_used": 409,
    "login_activated": 409,
    "no_login": 409,
    "not_amendable": 409,
    "already_disconnected": 409,
    "already_linked": 409,
    "already_reviewed": 409,
    "consent_expired": 409,
    "colleague_not_connected": 409,
    "directory_not_read": 409,
    "email_not_wanted": 409,
    "co_owner_already": 409,
    "idempotency_conflict": 409,
    "integration_not_configured": 409,
    "mfa_not_mandatory": 409,
    "mfa_is_mandatory": 409,
    "second_factor_set_up": 409,
    "no_second_factor": 409,
    "own_second_factor": 403,
    "own_role": 403,
    "password_set": 409,
    "confirmation_needed": 403,
    "bad_passkey": 401,
    "too_many_passkeys": 409,
    "only_second_factor": 409,
    "no_passkeys_here": 409,
    "set_up_expired": 409,
    "item_changed": 409,
    "item_superseded": 409,
    "not_connected": 409,
    "not_linked": 409,
    "not_undone": 409,
    "reconnect_xpm": 409,
    "staff_left": 409,
    "task_ended": 409,
    "too_many_webhooks": 409,
    "webhook_test_open": 409,
    "too_many_filters": 409,
    "tied_already": 409,
    "too_many_at_once": 429,
    "too_many_requests": 429,
    "too_many_taken": 429,
    "too_many_tries": 429,
    "too_many_streams": 429,
    "xero_unavailable": 503,
    "not_ready": 503,
}
_AWAY_CLASSES = frozenset({ErrorClass.DEFERRED, ErrorClass.TRANSIENT})


class ProblemAnswer(JSONResponse):
    """The answer to a request that failed, and its problem."""

    def __init__(self, problem: Problem, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(problem.model_dump(), problem.status, headers=headers, media_type=MEDIA_TYPE)
        self.problem = problem


#: Turns the answer into what the client accepts: JSON or a page.
Shape = Callable[[Request, ProblemAnswer], Response]


def problem(
    status: int, fault: Fault, *, errors: Sequence[Fault] = (), headers: Mapping[str, str] | None = None
) -> ProblemAnswer:
    """The answer for a fault."""
    title = HTTPStatus(status).phrase
    return ProblemAnswer(Problem(**fault.model_dump(), title=title, status=status, errors=list(errors)), headers)


def add_to(app: FastAPI, shape: Shape) -> None:
    """Answer every error of the application as a problem, in the shape that the client accepts."""
    handlers: dict[Any, Callable[[Request, Any], ProblemAnswer]] = {
        RequestRefused: _refused,
        JobError: _job_error,
        XpmError: lambda request, error: _job_error(request, from_xpm(error)),
        RequestValidationError: _invalid,
        HTTPException: lambda _, error: _problem_of_http(error.status_code, error.headers),
        SettingsError: _not_set_up,
        **dict.fromkeys(DATABASE_AWAY, _away),
    }
    for error, handler in handlers.items():
        app.add_exception_handler(error, _shaped(handler, shape))


def _shaped(handler: Callable[[Request, Any], ProblemAnswer], shape: Shape) -> Callable[[Request, Any], Response]:
    def answer(request: Request, error: Any) -> Response:
        given = handler(request, error)
        request.state.refused = given.problem.code
        return shape(request, given)

    return answer


def status_of(refusal: RequestRefused | JobError) -> int:
    """The HTTP status of a refusal."""
    if isinstance(refusal, JobError) and refusal.error_class in _AWAY_CLASSES:
        return 503
    return STATUS.get(refusal.code, 422)


def _refused(_: Request, refusal: RequestRefused) -> ProblemAnswer:
    status = status_of(refusal)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    if isinstance(refusal, RefusedForNow):
        headers["Retry-After"] = str(math.ceil(refusal.wait_seconds))
    return problem(status, fault_of(refusal), headers=headers)


def fault_of(refusal: RequestRefused | JobError) -> Fault:
    """A refusal as a fault."""
    return Fault(code=refusal.code, field=refusal.field, message=refusal.message, remedy=refusal.remedy or None)


def _job_error(_: Request, error: JobError) -> ProblemAnswer:
    if error.error_class not in _AWAY_CLASSES:
        return problem(STATUS.get(error.code, 422), fault_of(error))
    wait = max(1, math.ceil(error.wait_seconds or AWAY_SECONDS))
    fault = fault_of(error)
    fault.remedy = fault.remedy or f"Try again in {wait} seconds."
    return problem(503, fault, headers={"Retry-After": str(wait)})


def _invalid(_: Request, error: RequestValidationError) -> ProblemAnswer:
    faults = faults_of(error)
    return problem(422, faults[0], errors=faults)


def faults_of(error: RequestValidationError) -> list[Fault]:
    """The first faults of an invalid request, up to `MOST_ERRORS`."""
    return [_fault(found) for found in error.errors()[:MOST_ERRORS]]


def _fault(found: Mapping[str, Any]) -> Fault:
    if found["type"] == "json_invalid":
        return Fault(code="bad_json", message="The body is not valid JSON.", remedy="Send valid JSON.")
    where = ".".join(str(part) for part in found["loc"][1:]) or str(found["loc"][0])
    words = str(found["msg"]).removeprefix("Value error, ").rstrip(".")
    if (
        where == "body" and found["type"] == "value_error"
    ):  # a rule about two fields; its message begins with a field's name
        where, _, words = words.partition(" ")
    return Fault(
        code="bad_request",
        field=where[:200],
        message=f"{where[:200]}: {words}.",
        remedy="Correct this field and send the request again.",
    )


_HTTP: dict[int, tuple[str, str, str]] = {
    400: ("bad_request", "The request could not be read.", "Check it against the API documentation and send it again."),
    404: ("not_found", "Nothing was found at this address.", "Check the address."),
    405: ("method_not_allowed", "This address does not accept this method.", "Use a method from the Allow header."),
    413: ("too_large", "The request is too large.", "Send less at once."),
}


def _problem_of_http(status: int, headers: Mapping[str, str] | None = None) -> ProblemAnswer:
    code, message, remedy = _HTTP.get(status, (f"http_{status}", HTTPStatus(status).phrase + ".", None))
    return problem(status, Fault(code=code, message=message, remedy=remedy), headers=headers)


def _away(_: Request, error: Exception) -> ProblemAnswer:
    log.warning("web.database_away", exc_info=error)
    fault = Fault(code="database_away", message="The portal is busy or restarting.", remedy="Try again in a moment.")
    return problem(503, fault, headers={"Retry-After": str(round(AWAY_SECONDS))})


def _not_set_up(_: Request, error: SettingsError) -> ProblemAnswer:
    log.error("web.not_set_up", exc_info=error)
    fault = Fault(
        code="not_set_up",
        message="This part of the portal is not set up.",
        remedy="Ask an operator to check the log and docs/settings.md.",
    )
    return problem(503, fault)


class LastProblems:
    """Answers the two errors that no handler sees: unexpected exceptions, and bodies that Starlette refuses as too large.

    It runs inside the layers that log and add headers, unlike FastAPI's own handler of unexpected exceptions.
    """

    def __init__(self, app: ASGIApp, *, shape: Shape) -> None:
        self._app = app
        self._shape = shape

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = replaced = False

        async def sending(message: Message) -> None:
            nonlocal begun, replaced
            if not begun and _is_starlettes_413(message):
                replaced = True
                await self._shape(Request(scope), _problem_of_http(413))(scope, receive, send)
            begun = True
            if not replaced:
                await send(message)

        try:
            await self._app(scope, receive, sending)
        except ClientDisconnect:  # in the middle of a body; nobody reads an answer
            log.info("web.disconnected")
        except Exception as error:
            if begun or scope["type"] != "http":
                raise
            log.error("web.unforeseen", exc_info=error)
            await self._shape(Request(scope), _INTERNAL)(scope, receive, send)


def _is_starlettes_413(message: Message) -> bool:
    if message["type"] != "http.response.start" or message["status"] != 413:
        return False
    return not Headers(raw=message["headers"]).get("content-type", "").startswith((MEDIA_TYPE, "text/html"))


_INTERNAL = problem(
    500,
    Fault(
        code="internal",
        message="Something went wrong on our side.",
        remedy="Try again. If it keeps happening, contact us.",
    ),
)

#: For OpenAPI: the errors that any endpoint may answer.
RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {
        "description": HTTPStatus(status).phrase,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for status in (400, 401, 403, 404, 409, 413, 422, 429, 503)
}
