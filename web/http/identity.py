"""Authentication: an API key on behalf of a staff member, or the session cookie of a staff member who signed in.

A write with a cookie must carry the session's CSRF token and come from our own pages. A key in a header needs neither, since
browsers do not add it to requests of other sites.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import format_datetime
from typing import Annotated, TypeVar
from uuid import UUID

from fastapi import Depends, Header, Request, Security
from fastapi.responses import Response
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer

from handlers import refusals
from handlers.access import api_keys, confirmation, halfway, remembered, sessions
from handlers.access.caller import Caller, Scope
from handlers.access.origin import Origin
from handlers.access.sessions import Session
from handlers.errors import RequestRefused
from portal_db import audit
from web.http.cookies import cookie_rules
from web.portal import Portal, ThePortal

T = TypeVar("T")

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
CSRF_HEADER = "X-CSRF-Token"
#: What browsers say that they accept when a page follows work.
EVENTS = "text/event-stream"
#: What is kept of a request's origin.
LONGEST_ADDRESS, LONGEST_AGENT = 45, 200

_bearer = HTTPBearer(auto_error=False, scheme_name="ApiKey", description="An API key, with X-Staff-Id.")
_cookie = APIKeyCookie(
    auto_error=False,
    name="__Host-session",
    scheme_name="Session",
    description=f"The cookie set by POST /session; writes also need {CSRF_HEADER}.",
)


def authenticated(
    request: Request,
    portal: ThePortal,
    key: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    _: Annotated[str | None, Security(_cookie)],
    x_staff_id: Annotated[
        UUID | None, Header(description="With an API key: the staff member on whose behalf you call.")
    ] = None,
) -> Caller:
    """The authenticated caller.

    Raises:
        RequestRefused: the caller is unknown, or another site may have sent this write.
    """
    if "authorization" not in request.headers:
        return _by_cookie(portal, request)
    found = request.state.caller = _by_key(request, portal, key, x_staff_id)
    if found.via_key is not None and api_keys.is_ending(found.via_key, portal.services.sources.now()):
        request.state.sunset = format_datetime(found.via_key.ends_at or found.via_key.created_at, usegmt=True)
    return found


async def caller(found: Annotated[Caller, Depends(authenticated)]) -> Caller:
    """The authenticated caller. What the request goes on to do is audited as done with their API key, if they have one.

    It is a coroutine, so that what it sets holds for the rest of the request.
    """
    audit.VIA_KEY.set(found.via_key.id if found.via_key is not None else None)
    return found


def is_still(request: Request, portal: Portal, who: Caller) -> bool:
    """Whether the caller of a request that goes on is still who they were: their session or key has not ended, their role is
    the same. This keeps no session from timing out."""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    try:
        if scheme:
            now = api_keys.recognise(portal.database, secret.strip(), who.staff_id, origin_of(request))
        else:
            session = session_of(request, portal)
            now = sessions.recognise(portal.database, session, is_use=False) if session else None
    except RequestRefused:  # they have left
        return False
    return now is not None and (now.staff_id, now.role, now.scopes) == (who.staff_id, who.role, who.scopes)


def allowed(scope: Scope) -> Callable[..., Caller]:
    """A dependency that returns the caller, provided that they have this scope."""

    def check(request: Request, portal: ThePortal, found: Annotated[Caller, Depends(caller)]) -> Caller:
        if found.via_key is not None and scope not in found.scopes:
            api_keys.note_refused(portal.database, found.via_key, origin_of(request), f"it lacks the scope {scope}")
        found.require(scope)
        return found

    check.scope = scope  # type: ignore[attr-defined]  # so that a test can list the scope of each endpoint
    return check


Reader = Annotated[Caller, Depends(allowed(Scope.READ))]
Importer = Annotated[Caller, Depends(allowed(Scope.IMPORT))]
Keeper = Annotated[Caller, Depends(allowed(Scope.MANAGE))]


def cookie_name(portal: Portal) -> str:
    """The cookie's name. Browsers accept `__Host-` cookies over https only, for this host and all of its paths."""
    return "__Host-session" if portal.is_https else "session"


def session_of(request: Request, portal: Portal) -> Session | None:
    """The session in the browser's cookie, not yet checked."""
    token = request.cookies.get(cookie_name(portal))
    return Session(token) if token else None


def session_before(request: Request, portal: Portal) -> str | None:
    """The token of the session that a sign-in takes the place of."""
    session = session_of(request, portal)
    return session.token if session else None


def halfway_of(request: Request, portal: Portal) -> str | None:
    """The token of a sign-in that waits for its second factor, not yet checked. It is never taken for a session."""
    return request.cookies.get(_halfway_name(portal))


def set_halfway_cookie(response: Response, portal: Portal, token: str) -> None:
    response.set_cookie(_halfway_name(portal), token, max_age=round(halfway.SECONDS), **cookie_rules(portal))


def clear_halfway_cookie(response: Response, portal: Portal) -> None:
    response.delete_cookie(_halfway_name(portal), **cookie_rules(portal))


def _halfway_name(portal: Portal) -> str:
    return "__Host-signing-in" if portal.is_https else "signing-in"


def remembered_name(portal: Portal) -> str:
    """The cookie of a browser that is not asked for the second factor again (`handlers.access.remembered`)."""
    return "__Host-remembered" if portal.is_https else "remembered"


def set_remembered_cookie(response: Response, portal: Portal, cookie: str) -> None:
    response.set_cookie(remembered_name(portal), cookie, max_age=remembered.SECONDS, **cookie_rules(portal))


def address_of(request: Request) -> str:
    """The network address that a request came from."""
    return request.client.host if request.client else "unknown"


def origin_of(request: Request) -> Origin:
    """Where a request came from."""
    agent = request.headers.get("user-agent", "")
    printable = "".join(letter for letter in agent if letter.isprintable())
    return Origin(address_of(request)[:LONGEST_ADDRESS], printable[:LONGEST_AGENT])


def set_cookie(response: Response, portal: Portal, session: Session) -> None:
    """Set the session's cookie. It is lax, so that the browser also sends it when Xero redirects the person back to us."""
    response.set_cookie(cookie_name(portal), session.token, max_age=round(sessions.SECONDS), **cookie_rules(portal))


def clear_cookie(response: Response, portal: Portal) -> None:
    """Take the session's cookie away, and what the browser may have kept of the session's pages."""
    response.delete_cookie(cookie_name(portal), **cookie_rules(portal))
    response.headers["Clear-Site-Data"] = '"cache", "storage"'


def require_signed_in(found: T | None) -> T:
    """What is known of whoever is signed in.

    Raises:
        RequestRefused: `not_signed_in`, if nothing is.
    """
    if found is None:
        raise refusals.NOT_SIGNED_IN()
    return found


def require_session(request: Request, portal: Portal) -> Session:
    """The session in the browser's cookie, not yet checked.

    Raises:
        RequestRefused: there is none.
    """
    return require_signed_in(session_of(request, portal))


def require_confirmed(request: Request, portal: Portal) -> None:
    """Check that whoever acts with a session proved who they are within ten minutes: every act that needs it comes here.

    Raises:
        RequestRefused: `confirmation_needed`; a browser is sent to the page that asks.
    """
    confirmation.require(portal.database, require_session(request, portal))


def confirmed_keeper(request: Request, portal: ThePortal, found: Keeper) -> Caller:
    """A caller who may manage and has confirmed that it is them; a key is not asked.

    Raises:
        RequestRefused: `confirmation_needed`.
    """
    return _confirmed(request, portal, found)


def confirmed_reader(request: Request, portal: ThePortal, found: Reader) -> Caller:
    """A caller who may read and, with a session, has confirmed that it is them: for files that name clients.

    Raises:
        RequestRefused: `confirmation_needed`.
    """
    return _confirmed(request, portal, found)


def _confirmed(request: Request, portal: Portal, found: Caller) -> Caller:
    if found.via_key is None:
        require_confirmed(request, portal)
    return found


ConfirmedReader = Annotated[Caller, Depends(confirmed_reader)]
ConfirmedKeeper = Annotated[Caller, Depends(confirmed_keeper)]


@dataclass(frozen=True)
class Own:
    """A session, and whose it is."""

    caller: Caller
    session: Session


def own_session(request: Request, portal: ThePortal, _: Annotated[str | None, Security(_cookie)]) -> Own:
    """The session of a staff member who signed in, for acts on the session itself: no API key stands for it.

    Raises:
        RequestRefused: `not_signed_in`, with a key too; or another site may have sent this write.
    """
    if "authorization" in request.headers:
        raise refusals.NOT_SIGNED_IN()
    return Own(_by_cookie(portal, request), require_session(request, portal))


TheOwnSession = Annotated[Own, Depends(own_session)]


def require_own_page(request: Request, portal: Portal) -> None:
    """Check that a browser's write comes from our own pages.

    Raises:
        RequestRefused: its headers name another site.
    """
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
    if (origin is not None and origin != portal.origin) or site not in (None, "same-origin", "none"):
        raise refusals.CSRF()


def require_csrf_token(session: Session, given: str | None) -> None:
    """Check the CSRF token that a write with a cookie carries in a header or a form.

    Raises:
        RequestRefused: it is not this session's.
    """
    if given is None or not hmac.compare_digest(given.encode(), session.csrf_token.encode()):
        raise refusals.CSRF()


def _by_key(
    request: Request, portal: Portal, key: HTTPAuthorizationCredentials | None, staff_id: UUID | None
) -> Caller:
    if key is not None and staff_id is None:
        raise refusals.STAFF_NOT_NAMED()
    found = None
    if key and staff_id:
        found = api_keys.recognise(portal.database, key.credentials, staff_id, origin_of(request))
    if found is None:
        raise refusals.BAD_KEY()
    return found


def _by_cookie(portal: Portal, request: Request) -> Caller:
    session = session_of(request, portal)
    # A page that follows work asks for events, again and again by itself.
    is_use = EVENTS not in request.headers.get("accept", "")
    found = sessions.recognise(portal.database, session, is_use=is_use) if session else None
    if session is None or found is None:
        raise refusals.NOT_AUTHENTICATED()
    request.state.caller = found
    if request.method not in SAFE_METHODS:
        require_own_page(request, portal)
        require_csrf_token(session, request.headers.get(CSRF_HEADER))
    return found
