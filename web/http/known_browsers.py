"""Browsers that somebody has signed in with before: a signed cookie, out of reach of scripts, that says so of one email.

It opens nothing. It gives the browser a budget of failed attempts of its own, so that others who try somebody's email do not
lock out its owner (OWASP, device cookies).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from fastapi import Request
from fastapi.responses import Response

from web.http.cookies import cookie_rules
from web.portal import Portal

SECONDS = 365 * 24 * 3600


def browser_of(request: Request, portal: Portal, email_key: str) -> str | None:
    """What names the browser, if whoever signs in with this email has used it before."""
    since, _, rest = request.cookies.get(_name(portal), "").partition(".")
    nonce, _, signature = rest.partition(".")
    if not hmac.compare_digest(signature.encode(), _signature(portal, since, nonce, email_key).encode()):
        return None
    is_recent = portal.services.sources.now().timestamp() < int(since) + SECONDS
    return nonce if is_recent else None


def remember(response: Response, portal: Portal, email_key: str) -> None:
    """Set the cookie: whoever signs in with this email has used this browser."""
    since, nonce = str(int(portal.services.sources.now().timestamp())), secrets.token_urlsafe(16)
    response.set_cookie(
        _name(portal),
        f"{since}.{nonce}.{_signature(portal, since, nonce, email_key)}",
        max_age=SECONDS,
        **cookie_rules(portal, "strict"),
    )


def _name(portal: Portal) -> str:
    return "__Host-browser" if portal.is_https else "browser"


def _signature(portal: Portal, since: str, nonce: str, email_key: str) -> str:
    key = portal.settings.derived_key("known browsers")
    return hmac.new(key, f"{since}.{nonce}.{email_key}".encode(), hashlib.sha256).hexdigest()
