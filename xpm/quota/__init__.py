"""XPM's quota, kept in Redis for all workers at once: `RedisLimiter` gives permits, `Limits` and `Timing` say how many."""

from xpm.quota.books import Status
from xpm.quota.limiter import RedisLimiter
from xpm.quota.limits import Limits, Timing
from xpm.quota.shared import limiter_of

__all__ = ["Limits", "RedisLimiter", "Status", "Timing", "limiter_of"]
