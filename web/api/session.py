"""Signing in and out, and setting a password by a link. Each sign-in creates a new session id."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, BackgroundTasks, Depends, Request, Response
from pydantic import BaseModel, Field

from handlers import refusals
from handlers.access import confirmation, password_rules, passwords, second_factor, sessions, sign_in_steps
from handlers.access.caller import Caller, Scope
from handlers.access.mfa import NextStep
from handlers.access.sessions import Halfway
from handlers.access.tries import Attempt
from handlers.fields import Text
from portal_db.states import Role
from web.hashing import hashes_passwords
from web.http import known_browsers
from web.http.forgotten import request_link
from web.http.identity import (
    TheOwnSession,
    caller,
    clear_cookie,
    origin_of,
    require_own_page,
    session_before,
    session_of,
    set_cookie,
)
from web.http.models import Body
from web.portal import ThePortal

router = APIRouter(tags=["session"])


class Credentials(Body):
    email: Annotated[Text, Field(min_length=1, max_length=320)]
    password: Annotated[str, Field(min_length=1, max_length=password_rules.LONGEST)]
    code: Annotated[Text, Field(min_length=1, max_length=second_factor.LONGEST_CODE)] | None = Field(
        None, description="of the authenticator app, or a recovery code; for accounts with a second factor"
    )


class Confirmation(Body):
    given: Annotated[
        str,
        Field(
            min_length=1,
            max_length=password_rules.LONGEST,
            description="a code of the second factor, or a recovery code; the password, if there is no second factor",
        ),
    ]


class NewPassword(Body):
    token: Annotated[Text, Field(min_length=1, max_length=200, description="the part of the link after #")]
    password: Annotated[str, Field(min_length=password_rules.SHORTEST, max_length=password_rules.LONGEST)]


class Forgotten(Body):
    email: Annotated[Text, Field(min_length=1, max_length=320)]


class WhoAmI(BaseModel):
    """Who is calling, and what they may do."""

    staff_id: UUID
    practice_id: UUID
    name: str
    role: Role
    may: list[Scope]
    csrf_token: str | None = Field(description="send it as X-CSRF-Token with writes; only with a session")


@router.post("/session", status_code=201)
@hashes_passwords
def sign_in(request: Request, response: Response, portal: ThePortal, given: Credentials) -> WhoAmI:
    """Sign in; the answer sets the session's cookie."""
    require_own_page(request, portal)
    email_key, instead_of, origin = sessions.key_of(given.email), session_before(request, portal), origin_of(request)
    attempt = Attempt(email_key, origin, known_browsers.browser_of(request, portal, email_key))
    begun = sessions.sign_in(
        portal.database,
        portal.tries,
        attempt,
        given.password,
        instead_of=instead_of,
        staff_only=True,
    )
    if isinstance(begun, Halfway):
        if begun.step is NextStep.SET_UP:
            raise refusals.SECOND_FACTOR_NOT_SET_UP()
        if given.code is None:
            raise refusals.SECOND_FACTOR_NEEDED()
        begun, _ = sign_in_steps.give_code(
            portal.database, portal.settings, begun.token, given.code, origin, instead_of=instead_of
        )
    set_cookie(response, portal, begun.session)
    known_browsers.remember(response, portal, email_key)
    assert isinstance(begun.caller, Caller)  # noqa: S101 -- nobody else signs in here
    return _who(begun.caller, begun.session.csrf_token)


@router.get("/session")
def who_am_i(request: Request, portal: ThePortal, found: Annotated[Caller, Depends(caller)]) -> WhoAmI:
    """Who is calling, and what they may do."""
    session = None if "authorization" in request.headers else session_of(request, portal)
    return _who(found, session.csrf_token if session else None)


@router.post("/session/confirmation", status_code=204)
@hashes_passwords
def confirm(request: Request, portal: ThePortal, own: TheOwnSession, given: Confirmation) -> None:
    """Prove again who you are, for acts that need it within ten minutes: new API keys, webhooks, handing over clients."""
    confirmation.confirm(
        portal.database,
        portal.settings,
        portal.tries,
        own.caller,
        own.session,
        given.given,
        origin=origin_of(request),
    )


@router.delete("/session", status_code=204)
def sign_out(request: Request, response: Response, portal: ThePortal, own: TheOwnSession) -> None:
    """Sign out; the session ends."""
    sessions.sign_out(portal.database, own.session, origin_of(request))
    clear_cookie(response, portal)


@router.post("/password-reset", status_code=202)
def forgot_password(request: Request, portal: ThePortal, given: Forgotten, after: BackgroundTasks) -> None:
    """Ask for an email with a link to set a new password. The answer is the same whether or not anybody has this address."""
    require_own_page(request, portal)
    request_link(request, portal, given.email, after)


@router.post("/password", status_code=204)
@hashes_passwords
def set_password(request: Request, response: Response, portal: ThePortal, given: NewPassword) -> None:
    """Set a password by a link. The link works once, and all sessions of that login end."""
    require_own_page(request, portal)
    email_key = passwords.set_by_link(portal.database, given.token, given.password, origin_of(request))
    known_browsers.remember(response, portal, email_key)


def _who(found: Caller, csrf_token: str | None) -> WhoAmI:
    return WhoAmI(
        staff_id=found.staff_id,
        practice_id=found.practice_id,
        name=found.name,
        role=found.role,
        may=sorted(scope for scope in found.scopes if found.may(scope)),
        csrf_token=csrf_token,
    )
