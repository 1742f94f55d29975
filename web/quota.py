"""What is used of XPM's quota today, as far as anybody can tell."""

from __future__ import annotations

import redis

from web.portal import Portal


def used_today(portal: Portal, tenant_id: str) -> int | None:
    """Calls of a tenant's day that are used; `None` while nobody can tell."""
    if portal.quota is None:
        return None
    try:
        return portal.quota.status(tenant_id).day
    except redis.RedisError:
        return None  # calls would wait too
