"""Renders templates. Every value is escaped; a name that a template uses and the page does not give is an error."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, StrictUndefined

from config.templates import read_templates
from web.http import static_files
from web.pages.frame import filters, messages
from web.pages.frame.forms import NO_ERRORS, FormErrors, kept_of
from web.pages.frame.navigation import CLIENT_NAVIGATION, NAVIGATION
from web.pages.frame.visitor import AnyVisitor


def environment() -> Environment:
    """What all pages are rendered with, those of the console too."""
    made = Environment(
        loader=read_templates("web"),
        autoescape=True,  # every template is HTML
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"static": static_files.address, "icon": filters.icon}
    made.filters |= filters.FILTERS
    return made


_templates = environment()
_templates.globals |= {"navigation": NAVIGATION, "client_navigation": CLIENT_NAVIGATION, **filters.CHOICES}


def page(visitor: AnyVisitor, template: str, errors: FormErrors = NO_ERRORS, **values: Any) -> HTMLResponse:
    """A page for a signed-in visitor.

    Args:
        template: a file's name, from `web/templates/`.
        errors: what is wrong with the form that led here; the page has their status.
        values: the names that the template uses, in addition to `visitor`, `errors`, `here` and `message`.
    """
    return _page(visitor.request, template, errors.status, visitor=visitor, errors=errors, **values)


def public_page(
    request: Request, template: str, errors: FormErrors = NO_ERRORS, *, status: int | None = None, **values: Any
) -> HTMLResponse:
    """A page that needs no session."""
    return _page(request, template, status or errors.status, visitor=None, errors=errors, **values)


def _page(request: Request, template: str, status: int, **values: Any) -> HTMLResponse:
    visitor = values["visitor"]
    kept = kept_of(visitor) if visitor else None
    frame = {"here": request.url.path, "message": messages.of(request), "kept": kept}
    return HTMLResponse(_templates.get_template(template).render(values | frame), status)


def part(template: str, **values: Any) -> HTMLResponse:
    """A part of a page, which a script puts into place."""
    return HTMLResponse(_templates.get_template(template).render(values))


def redirect(path: str, *, message: str | None = None, next: str | None = None) -> RedirectResponse:
    """Redirect after a form, so that reloading the page sends nothing twice.

    Args:
        path: a path of the portal, perhaps with a query and a place on the page.
        message: the code of a message to show there (`web/pages/frame/messages.py`).
        next: the page to go on to from there.
    """
    query = {name: value for name, value in (("said", message), ("next", next)) if value}
    to, mark, place = path.partition("#")
    joined = f"{to}{'&' if '?' in to else '?'}{urlencode(query)}" if query else to
    return RedirectResponse(f"{joined}{mark}{place}", 303)
