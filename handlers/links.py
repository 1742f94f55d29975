"""Checks that a client is still tied to the XPM record that something was fetched from."""

from __future__ import annotations

from uuid import UUID

from handlers.directory import Seen
from handlers.errors import Rejected
from portal_db import clients
from portal_db.database import Tx
from portal_db.tables import Client


def require_link(tx: Tx, practice_id: UUID, client_id: UUID, seen: Seen) -> Client:
    """The client, if its live link is to this very record.

    Raises:
        Rejected: it was disconnected before the data could be written (b.11).
    """
    client = clients.get(tx, client_id, practice_id=practice_id)
    link = clients.live_link(tx, client_id)
    if client is None or link is None or link.xpm_uuid != seen.record.uuid:
        raise Rejected(
            "not_connected",
            "The client is no longer connected to its XPM record, so nothing was imported.",
            "Connect it under Integration actions > Xero Practice Manager, then import again.",
        )
    return client
