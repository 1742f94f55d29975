"""Errors as pages, for browsers: the same words as the problem that a program gets, and never more."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from web.http.problems import ProblemAnswer
from web.pages.frame import view

#: Addresses of programs.
API = "/api/"
HEADINGS = {
    400: "The page could not read this",
    403: "You cannot do this",
    404: "Page not found",
    405: "Page not found",
    413: "Too large",
    429: "Too many tries",
    500: "Something went wrong",
    503: "The portal cannot answer right now",
}


def as_page(request: Request, answer: ProblemAnswer) -> Response:
    """The answer for whoever asked: a page for a browser, else the problem itself."""
    if request.url.path.startswith(API) or "text/html" not in request.headers.get("accept", ""):
        return answer
    told = answer.told
    if told.code == "not_signed_in":
        return _to_sign_in(request)
    status = told.status
    if told.status == 422 and request.method == "GET":
        status = 404  # an address with something in it that no page of ours has
    values = {"heading": HEADINGS.get(status, "This was not done"), "told": told}
    page = view.page(request, None, "frame/error.html", status=status, **values)
    page.headers.update({name: value for name, value in answer.headers.items() if name in ("retry-after", "allow")})
    return page


def _to_sign_in(request: Request) -> Response:
    """To the sign-in page, and from there to the page that was asked for. What a form sent is not asked for again."""
    asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    query = {"said": "sign-in", "next": asked if request.method == "GET" else "/clients"}
    return RedirectResponse(f"/sign-in?{urlencode(query)}", 303)
