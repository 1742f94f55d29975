"""Who is at the console, and the forms that they send from its pages."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Depends, Query, Request
from fastapi.responses import Response
from starlette.datastructures import FormData

from handlers import refusals
from handlers.access import operator_roles, operators
from handlers.access.act import Act
from handlers.access.operator_roles import OpsAct
from handlers.access.operators import OperatorCaller
from handlers.access.sessions import Session
from handlers.fields import Text
from handlers.services import Services
from portal_db.database import Database
from web.console.console import Console, TheConsole
from web.console.look import SharedLook
from web.http.cookies import cookie_rules
from web.http.identity import require_csrf_token, require_own_page, require_signed_in
from web.pages.frame.forms import CSRF_FIELD, GivenForm, text

T = TypeVar("T")

#: The most dead letters that a form can name.
MOST_IDS = 500


@dataclass(frozen=True)
class AtConsole:
    """An operator at the console, for one request."""

    request: Request
    console: Console
    caller: OperatorCaller
    session: Session

    @property
    def name(self) -> str:
        return self.caller.name

    @property
    def csrf_token(self) -> str:
        return self.session.csrf_token

    @property
    def services(self) -> Services:
        return self.console.services

    @property
    def database(self) -> Database:
        return self.console.database

    def seen(self, shared: SharedLook[T]) -> T:
        """What all browsers share; after an act, as the act has left it."""
        return shared.get(anew="said" in self.request.query_params or self.request.method != "GET")

    @property
    def sign_on_page(self) -> str | None:
        """Where to confirm with single sign-on and come back to this page, if there is one."""
        if self.console.single_sign_on is None:
            return None
        here = self.request.url
        to = f"{here.path}?{here.query}" if here.query else here.path
        return f"/sign-in/sso?{urlencode({'confirm': 1, 'next': to if self.request.method == 'GET' else '/'})}"

    def may(self, act: str) -> bool:
        """Whether to show what does this."""
        return self.caller.may(OpsAct(act))


def cookie_name(console: Console) -> str:
    """The cookie's name; another one than the portal's, so that both may be open on one host."""
    return "__Host-operator" if console.is_https else "operator_session"


def sign_on_cookie(console: Console) -> str:
    """The cookie of a sign-in that is under way at the organisation's provider."""
    return "__Host-operator-sso" if console.is_https else "operator_sso"


def halfway_cookie(console: Console) -> str:
    """The cookie of a sign-in that waits for the second factor."""
    return "__Host-operator-halfway" if console.is_https else "operator_halfway"


def set_cookie(response: Response, console: Console, name: str, value: str, seconds: float) -> None:
    """Set a cookie that is sent with requests from the console's own pages only."""
    response.set_cookie(name, value, max_age=round(seconds), **cookie_rules(console, "strict"))


def clear_cookie(response: Response, console: Console, name: str) -> None:
    response.delete_cookie(name, **cookie_rules(console, "strict"))


def at_console(request: Request, console: Console, *, is_use: bool = True) -> AtConsole | None:
    """The operator whose session the browser has, if it is live.

    Args:
        is_use: whether the request keeps the session from timing out.
    """
    token = request.cookies.get(cookie_name(console))
    session = Session(token) if token else None
    caller = operators.recognise(console.database, session, is_use=is_use) if session else None
    return AtConsole(request, console, caller, session) if session and caller else None


def signed_in(request: Request, console: TheConsole) -> AtConsole:
    """The operator who is signed in.

    Raises:
        RequestRefused: `not_signed_in`; a browser is sent to the sign-in page and then back to this one.
    """
    return require_signed_in(at_console(request, console))


def watching(request: Request, console: TheConsole) -> AtConsole:
    """The operator whose page renews itself: that keeps no session from timing out.

    Raises:
        RequestRefused: `not_signed_in`.
    """
    return require_signed_in(at_console(request, console, is_use=False))


TheOperator = Annotated[AtConsole, Depends(signed_in)]
TheWatcher = Annotated[AtConsole, Depends(watching)]


#: What the address of a page may hold: a search, a name, a cursor.
Words = Annotated[Text, Query(max_length=500)]


@dataclass(frozen=True)
class OpsPosted:
    """A form that an operator sent from one of the console's pages, and may send."""

    operator: AtConsole
    form: FormData

    def text(self, name: str) -> str:
        return text(self.form, name).strip()

    def ids(self, name: str) -> tuple[UUID, ...]:
        """The ids of ticked rows, each once.

        Raises:
            RequestRefused: too many, or one is not an id.
        """
        values = [value for value in self.form.getlist(name) if isinstance(value, str)]
        try:
            found = tuple(dict.fromkeys(map(UUID, values)))
        except ValueError:
            raise refusals.BAD_FIELD(field=name, reason="is not an id") from None
        if len(found) > MOST_IDS:
            raise refusals.BAD_FIELD(field=name, reason=f"names more than {MOST_IDS} rows")
        return found

    def count(self, name: str) -> int:
        """How many the page showed; -1 if it does not say."""
        shown = self.text(name)
        return int(shown) if re.fullmatch("[0-9]{1,9}", shown) else -1

    def act(self) -> Act:
        """The operator's act, for the reason that they gave.

        Raises:
            RequestRefused: the reason is missing, or cannot be kept.
        """
        return self.operator.caller.act(self.text("reason"))

    def confirm(self) -> None:
        """Pass if the operator gave a code of their second factor recently, or gives one with this form.

        Raises:
            RequestRefused: they did not, or it is wrong.
        """
        if self.operator.caller.is_fresh:
            return
        code = self.text("code")
        if not code:
            raise refusals.CONFIRM_FIRST()
        settings = self.operator.services.settings
        operators.confirm(self.operator.database, settings, self.operator.session, self.operator.caller, code)


def posted(act: OpsAct | None = None) -> Callable[..., OpsPosted]:
    """A dependency: a form of an operator whose role may do this. `None`: every operator may."""

    def check(request: Request, console: TheConsole, operator: TheOperator, form: GivenForm) -> OpsPosted:
        require_own_page(request, console)
        require_csrf_token(operator.session, text(form, CSRF_FIELD))
        if act is not None:
            operator_roles.require(operator.caller.role, act)
        return OpsPosted(operator, form)

    check.act = act  # type: ignore[attr-defined]  # so that a test can list the act of each form
    return check
