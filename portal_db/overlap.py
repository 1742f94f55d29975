"""Replacing a secret that others sign with: for a while two are in use."""

from __future__ import annotations

from typing import Any

from sqlalchemy import case

from portal_db.tables import Producer, WebhookEndpoint
from portal_db.types import db_now


def replaced(table: type[Producer | WebhookEndpoint], secret: bytes, *, overlap_seconds: float) -> dict[str, Any]:
    """The columns of a row whose secret is replaced. The one before it stays in use for `overlap_seconds`.

    If it is replaced again within that time, the one before the first replacement stays until then: the others may still use
    it, as the new one is shown only once, and whoever lost it replaces it.
    """
    overlaps = table.old_secret_until > db_now()
    return {
        "secret": secret,
        "old_secret": case((overlaps, table.old_secret), else_=table.secret),
        "old_secret_until": case((overlaps, table.old_secret_until), else_=db_now(overlap_seconds)),
    }
