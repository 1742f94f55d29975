"""Errors as pages of the console: the same words as for a program, without commands, and never more."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from web.console import view
from web.console.words import remedy_of
from web.http.problems import ProblemAnswer
from web.pages.frame.errors import HEADINGS


def as_page(request: Request, answer: ProblemAnswer) -> Response:
    """The error as a page for a browser, else the problem itself."""
    if "text/html" not in request.headers.get("accept", ""):
        return answer
    problem = answer.problem
    if problem.code == "not_signed_in":
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        query = {"said": "sign-in", "next": here if request.method == "GET" else "/"}
        return RedirectResponse(f"/sign-in?{urlencode(query)}", 303)
    status, message = problem.status, problem.message
    if status == 422 and request.method == "GET":  # a value in the address that fits no page
        status, message = 404, "We can't find that page."
    page = view.public_page(
        request,
        "console/error.html",
        status=status,
        heading=HEADINGS.get(status, "This was not done"),
        error_message=message,
        remedy=remedy_of(problem.code, problem.remedy),
    )
    page.headers.update({name: value for name, value in answer.headers.items() if name in ("retry-after", "allow")})
    return page
