"""What the console's pages use: the portal's services and limits, behind the address that operators open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from typing import Annotated, cast
from urllib.parse import urlsplit

from fastapi import Depends, Request

from config.settings import LOOPBACK, SettingsError
from handlers.access.single_sign_on import ANSWER_SECONDS, Provider
from handlers.operations import jobs, overview
from handlers.operations.inbox import Inbox, inbox
from handlers.operations.overview import Now
from portal_db.work.job_search import Filter, Grouped
from web.console.look import SharedLook
from web.portal import Portal
from xpm.oauth import Http

#: The latest searches whose causes are kept, and causes of each.
SEARCHES, GROUPS = 20, 50


class Console(Portal):
    """The portal as operators reach it."""

    @cached_property
    def now(self) -> SharedLook[Now]:
        """How the portal is doing."""
        return SharedLook(lambda: overview.now(self.database), self.services.sources.monotonic)

    @cached_property
    def inbox(self) -> SharedLook[Inbox]:
        """What needs a person."""
        return SharedLook(lambda: inbox(self.database), self.services.sources.monotonic)

    @cached_property
    def causes(self) -> Callable[[Filter], SharedLook[Sequence[Grouped]]]:
        """The dead letters of a search by cause: the same for all of its pages."""

        @lru_cache(maxsize=SEARCHES)
        def of(which: Filter) -> SharedLook[Sequence[Grouped]]:
            return SharedLook(lambda: jobs.groups(self.database, which, limit=GROUPS), self.services.sources.monotonic)

        return of

    @property
    def origin(self) -> str:
        """Scheme and host of OPS_URL, which the console's pages are served from."""
        parts = urlsplit(self.settings.ops_url)
        return f"{parts.scheme}://{parts.netloc}"

    @cached_property
    def single_sign_on(self) -> Provider | None:
        """The OpenID provider with which operators may sign in."""
        if not self.settings.ops_oidc_issuer:
            return None
        http = Http(seconds=ANSWER_SECONDS)
        return Provider(self.settings, http, redirect_uri=f"{self.origin}/sign-in/sso/back")

    def require_safe_address(self) -> None:
        """Check that cookies to OPS_URL are safe, and that single sign-on is set up whole or not at all.

        Raises:
            SettingsError: OPS_URL is neither https nor on this machine, or one of the three OPS_OIDC settings is missing.
        """
        given = self.settings
        named = {
            "OPS_OIDC_ISSUER": given.ops_oidc_issuer,
            "OPS_OIDC_CLIENT_ID": given.ops_oidc_client_id,
            "OPS_OIDC_CLIENT_SECRET": given.ops_oidc_client_secret.get_secret_value(),
        }
        missing = [name for name, value in named.items() if not value]
        if 0 < len(missing) < len(named):
            raise SettingsError(f"{missing[0]} is not set: single sign-on needs all three, see docs/console.md.")
        if not self.is_https and urlsplit(self.settings.ops_url).hostname not in LOOPBACK:
            raise SettingsError("OPS_URL must begin with https://, because operators' session cookies travel to it.")


async def console_of(request: Request) -> Console:  # a coroutine, so that it needs no thread
    return cast(Console, request.app.state.portal)


TheConsole = Annotated[Console, Depends(console_of)]
