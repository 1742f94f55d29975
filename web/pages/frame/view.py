"""Turns a template and its values into an answer. Every value is escaped; a value that a template misses is an error."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from web.http import static_files
from web.pages.frame import filters, messages
from web.pages.frame.navigation import NAVIGATION
from web.pages.frame.visitor import Visitor

_templates = Environment(
    loader=PackageLoader("web"),
    autoescape=True,  # every template is HTML
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.globals |= {"static": static_files.address, "sign": filters.sign, "navigation": NAVIGATION} | filters.CHOICES
_templates.filters |= filters.FILTERS


def page(request: Request, visitor: Visitor | None, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A page from `templates/`.

    Args:
        visitor: who looks at it; `None` for pages that anybody may see.
        template: its file's name.
        values: what the template names, besides `visitor`, `here` and `said`.
    """
    shared = {"visitor": visitor, "here": request.url.path, "said": messages.of(request)}
    return HTMLResponse(_templates.get_template(template).render(shared | values), status)


def part(template: str, **values: Any) -> HTMLResponse:
    """A part of a page, for a script that puts it in its place."""
    return HTMLResponse(_templates.get_template(template).render(values))


def go(path: str, *, say: str | None = None, **query: str) -> RedirectResponse:
    """Send the browser on after a form: it then looks at a page that can be loaded again without sending anything twice.

    Args:
        path: an address of ours.
        say: the code of a message to show there (`web/pages/frame/messages.py`).
    """
    if say is not None:
        query["said"] = say
    return RedirectResponse(f"{path}?{urlencode(query)}" if query else path, 303)
