"""Who views a page: a signed-in staff member, their practice, and the token that their forms carry."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

from fastapi import Depends, Request

from handlers import refusals
from handlers.access import sessions
from handlers.access.caller import Caller, Scope
from handlers.imports import needs
from handlers.integration import status
from handlers.integration.status import IntegrationStatus
from handlers.services import Services
from portal_db.database import Database
from web.http.identity import require_confirmed, session_of
from web.portal import Portal, ThePortal

#: The cookie with what was ticked in the last advanced search.
SEARCH_IN = "search_in"
#: Where a sign-in leads that began at no other page.
HOME = "/clients"


@dataclass(frozen=True)
class Visitor:
    """A signed-in staff member, for one request. `xpm` is the status of their own XPM integration."""

    request: Request
    portal: Portal
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

    @property
    def may_manage(self) -> bool:
        return self.caller.may(Scope.MANAGE)

    @cached_property
    def needs_count(self) -> int:
        """How much needs them, for the navigation."""
        return needs.count_of_staff(self.database, self.caller) + self.xpm.is_lost

    @property
    def searches_xpm(self) -> bool:
        """Whether their last advanced search in this browser was in XPM too."""
        return self.request.cookies.get(SEARCH_IN) == "xpm"

    @property
    def services(self) -> Services:
        return self.portal.services

    @property
    def database(self) -> Database:
        return self.portal.database

    def new_key(self) -> str:
        """An idempotency key for a form: the form does its work once, however often it is sent."""
        return self.services.sources.new_id().hex


def visitor(request: Request, portal: ThePortal) -> Visitor:
    """The signed-in staff member.

    Raises:
        RequestRefused: `not_signed_in`; a browser is sent to the sign-in page and then back to this one.
    """
    found = signed_in_visitor(request, portal)
    if found is None:
        raise refusals.NOT_SIGNED_IN()
    return found


def signed_in_visitor(request: Request, portal: Portal) -> Visitor | None:
    """The signed-in staff member, if there is one."""
    session = session_of(request, portal)
    caller = sessions.recognise(portal.database, session) if session else None
    if session is None or caller is None:
        return None
    return Visitor(request, portal, caller, session.csrf_token, status.standing(portal.database, caller))


def importer(found: Annotated[Visitor, Depends(visitor)]) -> Visitor:
    """A visitor who may import.

    Raises:
        RequestRefused: `not_allowed`, for the role Basic.
    """
    found.caller.require(Scope.IMPORT)
    return found


def confirmed_visitor(request: Request, portal: ThePortal, found: Annotated[Visitor, Depends(visitor)]) -> Visitor:
    """A visitor who has confirmed that it is them: for pages whose forms ask for that.

    Raises:
        RequestRefused: `confirmation_needed`.
    """
    require_confirmed(request, portal)
    return found


def manager(found: Annotated[Visitor, Depends(visitor)]) -> Visitor:
    """A visitor who manages the practice.

    Raises:
        RequestRefused: `not_allowed`, unless they are an owner or account admin.
    """
    found.caller.require(Scope.MANAGE)
    return found


def confirmed_manager(request: Request, portal: ThePortal, found: Annotated[Visitor, Depends(manager)]) -> Visitor:
    """A visitor who manages the practice and has confirmed that it is them.

    Raises:
        RequestRefused: `not_allowed`, or `confirmation_needed`.
    """
    return confirmed_visitor(request, portal, found)


ConfirmedVisitor = Annotated[Visitor, Depends(confirmed_visitor)]
TheVisitor = Annotated[Visitor, Depends(visitor)]
TheImporter = Annotated[Visitor, Depends(importer)]
TheManager = Annotated[Visitor, Depends(manager)]
ConfirmedManager = Annotated[Visitor, Depends(confirmed_manager)]


def local_referer(request: Request) -> SplitResult | None:
    """The address of our own page that a form was sent from, if the browser says it."""
    here = urlsplit(request.headers.get("referer", ""))
    return here if here.netloc == request.url.netloc and is_local_path(here.path) else None


def is_local_path(path: str) -> bool:
    """Whether this is a path of the portal, and not an address of another site."""
    return path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
