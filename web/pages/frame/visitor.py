"""Who looks at a page: a staff member who signed in, where they work, and the token that their forms carry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import Depends, Request

from handlers import refusals
from handlers.access import sessions
from handlers.access.caller import Caller, Scope
from handlers.integration import status
from handlers.integration.status import IntegrationStatus
from web.http.identity import session_of
from web.portal import Portal, ThePortal


@dataclass(frozen=True)
class Visitor:
    """A staff member who signed in. `xpm` is how their own XPM integration stands."""

    caller: Caller
    csrf_token: str
    xpm: IntegrationStatus

    @property
    def name(self) -> str:
        return self.caller.name

    @property
    def practice(self) -> str:
        return self.xpm.practice.name

    @property
    def time_zone(self) -> ZoneInfo:
        return ZoneInfo(self.xpm.practice.time_zone)

    @property
    def may_import(self) -> bool:
        return self.caller.may(Scope.IMPORT)


def visitor(request: Request, portal: ThePortal) -> Visitor:
    """The staff member who looks at a page.

    Raises:
        RequestRefused: `not_signed_in`; a browser is sent to sign in, and then on to the page.
    """
    found = recognised(request, portal)
    if found is None:
        raise refusals.NOT_SIGNED_IN()
    return found


def recognised(request: Request, portal: Portal) -> Visitor | None:
    """The staff member who looks, if one has signed in."""
    session = session_of(request, portal)
    caller = sessions.recognise(portal.database, session) if session else None
    if session is None or caller is None:
        return None
    return Visitor(caller, session.csrf_token, status.standing(portal.database, caller))


def importer(found: Annotated[Visitor, Depends(visitor)]) -> Visitor:
    """A visitor who may import.

    Raises:
        RequestRefused: `not_allowed`, for the role Basic.
    """
    found.caller.require(Scope.IMPORT)
    return found


TheVisitor = Annotated[Visitor, Depends(visitor)]
TheImporter = Annotated[Visitor, Depends(importer)]


def is_ours(path: str) -> bool:
    """Whether this is the path of a page of ours, and not an address that leads elsewhere."""
    return path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
