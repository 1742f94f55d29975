"""XPM's quota, kept in Redis for all workers: `RedisLimiter` gives permits within `Limits`, as `Timing` sets their pace."""

from xpm.quota.ledger import Status
from xpm.quota.limiter import RedisLimiter
from xpm.quota.limits import Limits, Timing
from xpm.quota.shared import limiter_of

__all__ = ["Limits", "RedisLimiter", "Status", "Timing", "limiter_of"]
