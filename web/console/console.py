"""What the console's pages use: the portal's services and limits, behind the address that operators open."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, cast
from urllib.parse import urlsplit

from fastapi import Depends, Request

from config.settings import LOOPBACK, SettingsError
from handlers.operations import overview
from web.console.look import SharedLook
from web.portal import Portal


class Console(Portal):
    """The portal as operators reach it."""

    @cached_property
    def shared(self) -> SharedLook:
        """The look at the state that all its browsers share."""
        return SharedLook(lambda: overview.now(self.database), self.services.sources.monotonic)

    @property
    def origin(self) -> str:
        """Scheme and host of OPS_URL, which the console's pages are served from."""
        parts = urlsplit(self.settings.ops_url)
        return f"{parts.scheme}://{parts.netloc}"

    def require_safe_address(self) -> None:
        """Check that cookies to OPS_URL are safe.

        Raises:
            SettingsError: OPS_URL is neither https nor on this machine.
        """
        if not self.is_https and urlsplit(self.settings.ops_url).hostname not in LOOPBACK:
            raise SettingsError("OPS_URL must begin with https://, because operators' session cookies travel to it.")


def console_of(request: Request) -> Console:
    return cast(Console, request.app.state.portal)


TheConsole = Annotated[Console, Depends(console_of)]
