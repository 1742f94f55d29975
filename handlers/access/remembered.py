"""Browsers that an account's second factor was given at: they are not asked for it again for 30 days, as the firm allows.

Such a browser holds a signed cookie with nothing secret in it. The signature covers the account, its password's hash and a
key in its second factor's row, so that a new password, another second factor or `forget_all` ends them all.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from uuid import UUID

from config.settings import Settings
from portal_db.access import credentials, second_factors
from portal_db.database import Tx
from portal_db.types import database_time

DAYS = 30
SECONDS = DAYS * 24 * 3600


def remember(tx: Tx, settings: Settings, login_id: UUID) -> str:
    """The cookie for a browser at which the second factor was just given."""
    ends = int(database_time(tx.session).timestamp()) + SECONDS
    return f"{ends}.{_signature(tx, settings, login_id, ends)}"


def is_remembered(tx: Tx, settings: Settings, login_id: UUID, cookie: str) -> bool:
    """Whether a browser with this cookie is one of the account's."""
    ends, _, signature = cookie.partition(".")
    if not re.fullmatch(r"[0-9]{1,12}", ends) or int(ends) <= database_time(tx.session).timestamp():
        return False
    return hmac.compare_digest(signature.encode(), _signature(tx, settings, login_id, int(ends)).encode())


def forget_all(tx: Tx, login_id: UUID) -> None:
    """Have every browser of the account asked for the second factor again."""
    second_factors.put_browsers_key(tx, login_id)


def _signature(tx: Tx, settings: Settings, login_id: UUID, ends: int) -> str:
    password, factor = credentials.login(tx, login_id).password_hash, second_factors.get(tx, login_id)
    signed = f"{login_id} {ends} {factor.browsers_key if factor else None} {password}"
    return hmac.new(settings.derived_key("remembered browsers"), signed.encode(), hashlib.sha256).hexdigest()
