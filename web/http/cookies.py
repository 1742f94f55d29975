"""What is true of each of our cookies: for all of this host, never for scripts, and only over https where we have it."""

from __future__ import annotations

from typing import Literal, TypedDict

from web.portal import Portal

SameSite = Literal["lax", "strict"]


class CookieRules(TypedDict):
    """The attributes of a cookie."""

    path: str
    secure: bool
    httponly: bool
    samesite: SameSite


def cookie_rules(portal: Portal, samesite: SameSite = "lax") -> CookieRules:
    """The attributes of a cookie. A lax one is also sent when a link leads to us, a strict one from our own pages only."""
    return {"path": "/", "secure": portal.is_https, "httponly": True, "samesite": samesite}
