"""The way back from signing in, or from confirming who it is, to the page where that was needed."""

from __future__ import annotations

from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

from fastapi import Request
from fastapi.routing import iter_route_contexts

from web.pages.frame.visitor import HOME, is_local_path

#: Pages of forms that are sent to an address that is not below that of their page.
ELSEWHERE = {"/account/passkeys": "/account/second-factor", "/batches": "/batches/new"}


def way_back(request: Request, message: str) -> str:
    """This page; where a form was sent, which is not sent again, its page with a message."""
    if request.method == "GET":
        return urlunsplit(("", "", request.url.path, request.url.query, ""))
    here = page_of_form(request)
    return with_message(here, message) if here else HOME


def page_of_form(request: Request) -> SplitResult | None:
    """The address of our own page that a form was sent from, if the browser says it.

    A page that answers a form stands at the form's address. Where nothing is shown at that address otherwise, it is the page
    above it.
    """
    here = urlsplit(request.headers.get("referer", ""))
    if here.netloc != request.url.netloc or not is_local_path(here.path):
        return None
    path = _page_at(request, here.path)
    return here._replace(path=path) if path else None


def with_message(address: SplitResult, message: str) -> str:
    """An address of ours with a message to show there, in place of an earlier one."""
    values = [(name, value) for name, value in parse_qsl(address.query) if name != "said"]
    return urlunsplit(("", "", address.path, urlencode([*values, ("said", message)]), ""))


def _page_at(request: Request, path: str) -> str:
    routes = list(iter_route_contexts(request.app.routes))
    pages = {route.path for route in routes if "GET" in (route.methods or ())}
    forms = (route for route in routes if "POST" in (route.methods or ()) and route.path_regex.match(path))
    template = next((form.path or "" for form in forms), None)
    while template and template not in pages:
        if template in ELSEWHERE:
            return ELSEWHERE[template]
        template, path = (each.rpartition("/")[0] for each in (template, path))
    return path
