"""Asking who it is before a file is given or an act of a form is done (step-up), where it depends on what is asked for."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi.responses import Response

from handlers.errors import RequestRefused
from web.http.identity import require_confirmed
from web.pages.frame.view import redirect
from web.pages.frame.visitor import Visitor
from web.pages.frame.way_back import with_message


def asked_first(visitor: Visitor, back: str, message: str = "confirmed-export") -> Response | None:
    """The way to the page that asks who it is, unless that was asked recently. It leads back to the page with the link or
    the form: a browser that is led to a file stays on the page that asked."""
    try:
        require_confirmed(visitor.request, visitor.portal)
    except RequestRefused:
        return redirect("/confirm", next=with_message(urlsplit(back), message))
    return None
