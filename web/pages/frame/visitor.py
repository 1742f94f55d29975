"""Who views a page: a signed-in staff member or client, their practice, and the token that their forms carry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Annotated, ClassVar, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from fastapi import Depends, Request

from handlers import refusals
from handlers.access import firm, practices, sessions
from handlers.access.caller import AnyCaller, Caller, ClientCaller, Scope
from handlers.access.firm import Look
from handlers.access.sessions import Session
from handlers.imports import needs
from handlers.integration import status
from handlers.integration.status import IntegrationStatus
from handlers.services import Services
from portal_db.database import Database
from portal_db.tables import Practice
from web.http.identity import require_confirmed, require_signed_in, session_of
from web.portal import Portal, ThePortal

#: The cookie with what was ticked in the last advanced search.
SEARCH_IN = "search_in"
#: Where a sign-in of staff, and of clients, leads that began at no other page.
HOME = "/clients"
CLIENT_HOME = "/my/tasks"
#: The clients' side, and the pages about one's own account, which both have.
CLIENT_SIDE, OWN_ACCOUNT = "/my/", "/account/"

F = TypeVar("F")


@dataclass(frozen=True)
class AnyVisitor:
    """Whoever is signed in, for one request: what staff and clients have in common. `frame` is the template around each of
    their pages, and `home` where they begin."""

    request: Request
    portal: Portal
    caller: AnyCaller
    csrf_token: str

    frame: ClassVar[str] = ""
    home: ClassVar[str] = ""
    #: What the portal is called in the titles of their pages.
    portal_name: ClassVar[str] = ""

    @property
    def of_practice(self) -> Practice:
        raise NotImplementedError

    @property
    def standing(self) -> str:
        """What they are to their practice."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        return self.caller.name

    @property
    def practice(self) -> str:
        return self.of_practice.name

    @property
    def time_zone(self) -> ZoneInfo:
        return ZoneInfo(self.of_practice.time_zone)

    @property
    def services(self) -> Services:
        return self.portal.services

    @property
    def database(self) -> Database:
        return self.portal.database

    def new_key(self) -> str:
        """An idempotency key for a form: the form does its work once, however often it is sent."""
        return self.services.sources.new_id().hex


@dataclass(frozen=True)
class Visitor(AnyVisitor):
    """A signed-in staff member, for one request. `xpm` is the status of their own XPM integration."""

    caller: Caller
    xpm: IntegrationStatus

    frame: ClassVar[str] = "frame/app.html"
    home: ClassVar[str] = HOME
    portal_name: ClassVar[str] = "Partner portal"

    @property
    def of_practice(self) -> Practice:
        return self.xpm.practice

    @property
    def standing(self) -> str:
        return self.caller.role.replace("_", " ").capitalize()

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


@dataclass(frozen=True)
class ClientVisitor(AnyVisitor):
    """A signed-in client, for one request."""

    caller: ClientCaller

    frame: ClassVar[str] = "frame/client.html"
    home: ClassVar[str] = CLIENT_HOME
    portal_name: ClassVar[str] = "Client portal"

    @cached_property
    def look(self) -> Look:
        """How their practice's pages look."""
        return firm.read_look(self.database, self.caller.practice_id)

    @cached_property
    def of_practice(self) -> Practice:
        return practices.of_caller(self.database, self.caller)

    @property
    def standing(self) -> str:
        return "Client"

    @property
    def today(self) -> date:
        return self.services.sources.now().astimezone(self.time_zone).date()


def visitor(request: Request, portal: ThePortal) -> Visitor:
    """The signed-in staff member.

    Raises:
        RequestRefused: `not_signed_in`; a browser is sent to the sign-in page and then back to this one.
    """
    return require_signed_in(staff_visitor(request, portal))


def watcher(request: Request, portal: ThePortal) -> Visitor:
    """The staff member whose page follows work by itself: that keeps no session from timing out.

    Raises:
        RequestRefused: `not_signed_in`.
    """
    return require_signed_in(staff_visitor(request, portal, is_use=False))


def staff_visitor(request: Request, portal: Portal, *, is_use: bool = True) -> Visitor | None:
    """The signed-in staff member, if there is one.

    Args:
        is_use: whether the request keeps their session from timing out.
    """
    session = session_of(request, portal)
    caller = sessions.recognise(portal.database, session, is_use=is_use) if session else None
    return _visitor(request, portal, caller, session) if session and caller else None


def client_visitor(request: Request, portal: ThePortal) -> ClientVisitor:
    """The signed-in client.

    Raises:
        RequestRefused: `not_signed_in`, for staff too.
    """
    session = session_of(request, portal)
    caller = sessions.recognise_client(portal.database, session) if session else None
    if session is None or caller is None:
        raise refusals.NOT_SIGNED_IN()
    return ClientVisitor(request, portal, caller, session.csrf_token)


def any_visitor(request: Request, portal: ThePortal) -> AnyVisitor:
    """Whoever is signed in, for the pages about their own account.

    Raises:
        RequestRefused: `not_signed_in`.
    """
    return require_signed_in(signed_in_visitor(request, portal))


def signed_in_visitor(request: Request, portal: Portal) -> AnyVisitor | None:
    """Whoever is signed in, if anybody is."""
    session = session_of(request, portal)
    caller = sessions.recognise_any(portal.database, session) if session else None
    if session is None or caller is None:
        return None
    if isinstance(caller, ClientCaller):
        return ClientVisitor(request, portal, caller, session.csrf_token)
    return _visitor(request, portal, caller, session)


def _visitor(request: Request, portal: Portal, caller: Caller, session: Session) -> Visitor:
    request.state.caller = caller
    return Visitor(request, portal, caller, session.csrf_token, status.standing(portal.database, caller))


def importer(found: Annotated[Visitor, Depends(visitor)]) -> Visitor:
    """A visitor who may import.

    Raises:
        RequestRefused: `not_allowed`, for the role Basic.
    """
    found.caller.require(Scope.IMPORT)
    return found


def manager(found: Annotated[Visitor, Depends(visitor)]) -> Visitor:
    """A visitor who manages the practice.

    Raises:
        RequestRefused: `not_allowed`, unless they are an owner or account admin.
    """
    found.caller.require(Scope.MANAGE)
    return found


def confirming(wanted: Callable[..., F]) -> Callable[..., F]:
    """The dependency `wanted`, of somebody who has confirmed that it is them: for acts that give lasting power, and for
    pages whose forms ask for that. It raises `confirmation_needed` besides what `wanted` raises."""

    # No `Annotated`: as text, an annotation does not see `wanted`.
    def confirmed(request: Request, portal: ThePortal, found: F = Depends(wanted)) -> F:  # noqa: B008
        require_confirmed(request, portal)
        return found

    return confirmed


confirmed_visitor = confirming(any_visitor)
confirmed_manager = confirming(manager)

ConfirmedVisitor = Annotated[AnyVisitor, Depends(confirmed_visitor)]
TheAnyVisitor = Annotated[AnyVisitor, Depends(any_visitor)]
TheClient = Annotated[ClientVisitor, Depends(client_visitor)]
TheVisitor = Annotated[Visitor, Depends(visitor)]
TheWatcher = Annotated[Visitor, Depends(watcher)]
TheImporter = Annotated[Visitor, Depends(importer)]
TheManager = Annotated[Visitor, Depends(manager)]
ConfirmedManager = Annotated[Visitor, Depends(confirmed_manager)]


def is_local_path(path: str) -> bool:
    """Whether this is a path of the portal, and not an address of another site."""
    return path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()


def landing(caller: AnyCaller, to: str) -> str:
    """Where a sign-in leads: to the page that was opened at first if it is theirs, or else to where they begin."""
    is_client = isinstance(caller, ClientCaller)
    path = urlsplit(to).path
    is_theirs = path.startswith(CLIENT_SIDE) == is_client or path.startswith(OWN_ACCOUNT)
    if is_local_path(to) and is_theirs:
        return to
    return CLIENT_HOME if is_client else HOME
