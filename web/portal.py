"""What endpoints use: the portal's services, its limits, and what is left of XPM's quota. There are no globals."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, cast
from urllib.parse import urlsplit

import redis
from fastapi import Depends, Request

from config.settings import Settings, SettingsError
from handlers.access.tries import Tries
from handlers.imports.preflight import Budget
from handlers.services import Bell, Services
from portal_db.database import Database
from web.hashing import HashingPool
from web.streams import Streams
from web.usage import UsageLimits
from xpm.quota import Limits, Status
from xpm.quota.limiter import RedisLimiter


@dataclass(frozen=True)
class Portal:
    """Everything that endpoints use. `quota` counts the calls to XPM, if a limiter is set up."""

    services: Services
    bell: Bell
    tries: Tries
    uses: UsageLimits
    streams: Streams
    quota: RedisLimiter | None = None
    hashing: HashingPool = field(default_factory=HashingPool)

    @property
    def database(self) -> Database:
        return self.services.database

    @property
    def settings(self) -> Settings:
        return self.services.settings

    @property
    def origin(self) -> str:
        """Scheme and host of PUBLIC_URL, which our pages are served from."""
        parts = urlsplit(self.settings.public_url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def is_https(self) -> bool:
        return self.origin.startswith("https://")

    def require_safe_address(self) -> None:
        """Check that cookies to PUBLIC_URL are safe.

        Raises:
            SettingsError: PUBLIC_URL is neither https nor on this machine.
        """
        if not self.is_https and not self.settings.is_local:
            raise SettingsError("PUBLIC_URL must begin with https://, because session cookies travel to it.")


def portal_of(request: Request) -> Portal:
    return cast(Portal, request.app.state.portal)


ThePortal = Annotated[Portal, Depends(portal_of)]


def budget_of(portal: Portal, tenant_id: str) -> Budget:
    """XPM's limits for background work, and what is left of them today."""
    limits = Limits(day=portal.settings.xpm_day_limit).for_background()
    used = used_today(portal, tenant_id)
    left = None if used is None else max(0, limits.day - used)
    return Budget(per_minute=limits.minute, per_day=limits.day, left_today=left)


def used_today(portal: Portal, tenant_id: str) -> int | None:
    """Calls used of a tenant's limit today; `None` if unknown."""
    status = quota_status(portal, tenant_id)
    return status.day if status is not None else None


def quota_status(portal: Portal, tenant_id: str) -> Status | None:
    """What is used of a tenant's limits; `None` if unknown."""
    try:
        return portal.quota.status(tenant_id) if portal.quota is not None else None
    except redis.RedisError:
        return None
