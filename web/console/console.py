"""What the console's pages use: the portal's services and limits, behind the address that operators open."""

from __future__ import annotations

from typing import Annotated, cast
from urllib.parse import urlsplit

from fastapi import Depends, Request

from config.settings import LOOPBACK, SettingsError
from web.portal import Portal


class Console(Portal):
    """The portal as operators reach it."""

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
