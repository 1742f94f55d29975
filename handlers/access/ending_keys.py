"""API keys that end soon: their people are told by email, once, two weeks before. The leading relay looks each night."""

from __future__ import annotations

from datetime import timedelta

from handlers.access import security_notice
from handlers.access.api_keys import ENDING
from portal_db.access import security_notices
from portal_db.database import Database
from portal_db.tables import ApiKey

#: How far a key's end may be from the one it was made with.
_EXACTLY = timedelta(minutes=1)


def announce(database: Database) -> int:
    """Request an email about each key that ends within two weeks, to who made it; if they have left, or an operator made it,
    to the practice's owners and account admins.

    Returns:
        How many people are told.
    """
    told = 0
    with database.write() as tx:
        for key in security_notices.ending_keys(tx, within_seconds=ENDING.total_seconds()):
            for staff in security_notices.told_of(tx, key) if _is_unexpected(key) else ():
                told += security_notice.request(
                    tx, security_notice.KEY_ENDS, staff.login_id, key.practice_id, api_key_id=key.id
                )
    return told


def _is_unexpected(key: ApiKey) -> bool:
    """Whether a key's end may come as a surprise: it was made to last longer than the warning, and was not replaced."""
    lasts = timedelta(days=key.lifetime_days or 0)
    return lasts > ENDING and key.ends_at is not None and abs(key.ends_at - key.created_at - lasts) < _EXACTLY
