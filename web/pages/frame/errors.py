"""Errors as pages, for browsers: the same words as the problem that a program gets, and never more."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.responses import Response

from handlers import refusals
from web.http.problems import ProblemAnswer
from web.pages.frame import messages, view
from web.pages.frame.forms import FormErrors
from web.pages.frame.visitor import AnyVisitor, signed_in_visitor
from web.pages.frame.way_back import way_back
from web.portal import portal_of

#: Where programs call; they get problems, never pages.
API = "/api/"
HEADINGS = {
    400: "We couldn't read this request",
    403: "You don't have access to this",
    404: "Page not found",
    405: "Page not found",
    413: "Too large",
    429: "Too many attempts",
    503: "The portal is temporarily unavailable",
}
#: What to say of an id in the address that is not an id.
NOT_FOUND = {"client_id": refusals.UNKNOWN_CLIENT.message, "import_id": refusals.UNKNOWN_IMPORT.message,
             "batch_id": refusals.UNKNOWN_BATCH.message}  # fmt: skip


def as_page(request: Request, answer: ProblemAnswer) -> Response:
    """The error as a page for a browser, else the problem itself."""
    if request.url.path.startswith(API) or "text/html" not in request.headers.get("accept", ""):
        return answer
    problem = answer.problem
    if problem.code == "not_signed_in":
        return _to_sign_in(request)
    if problem.code == "confirmation_needed":
        return _to_confirm(request)
    status, message, remedy = problem.status, problem.message, problem.remedy
    if problem.errors or (status == 422 and request.method == "GET"):  # a value in the address that fits no page
        status, message = 404, NOT_FOUND.get(problem.field or "", "We can't find that page.")
        remedy = "Check the address, or start again from the Client list."
    heading = HEADINGS.get(status, "Something went wrong")
    shown: dict[str, Any] = {"heading": heading, "error_message": message, "remedy": remedy}
    visitor = _visitor(request, status)
    if visitor is not None:
        page = view.page(visitor, "frame/error.html", FormErrors(status=status), **shown)
    else:
        page = view.public_page(request, "frame/error.html", status=status, **shown)
    page.headers.update({name: value for name, value in answer.headers.items() if name in ("retry-after", "allow")})
    return page


def _to_confirm(request: Request) -> Response:
    """To the page that asks who it is, and from there back to this page, or to the one with the form that was sent."""
    return view.redirect("/confirm", next=way_back(request, messages.CONFIRMED))


def _visitor(request: Request, status: int) -> AnyVisitor | None:
    """Who gets the page, with its navigation. Nobody is looked up for an error of ours, of which the database may be the
    cause, nor for a request that was refused unread."""
    return None if status >= 500 or status == 413 else signed_in_visitor(request, portal_of(request))


def _to_sign_in(request: Request) -> Response:
    """To the sign-in page, and from there back to this page, or to the one with the form that was sent: that shows what was
    typed, or says that it was not kept."""
    message = messages.KEPT if getattr(request.state, "is_kept", False) else messages.NOT_KEPT
    return view.redirect("/sign-in", message="sign-in", next=way_back(request, message))
