"""Messages on the import queue that could not be read: opened and forgotten by operators."""

from __future__ import annotations

from uuid import UUID

from cryptography.fernet import InvalidToken

from config.settings import Settings
from handlers import refusals
from handlers.access.act import Act
from portal_db.database import Database, Tx
from portal_db.tables import MalformedMessage
from portal_db.work import malformed_messages

#: Characters of a message that are shown.
SHOWN = 10_000


def reveal(database: Database, settings: Settings, act: Act, message_id: UUID) -> str:
    """What a message holds, which may be personal; the audit trail says who looked, and why.

    Raises:
        RequestRefused: there is no such message, or its key is no longer in TOKEN_KEYS.
    """
    with database.write() as tx:
        found = _require(tx, message_id)
        try:
            text = settings.vault.decrypt(found.payload).decode(errors="replace")
        except InvalidToken:
            raise refusals.MESSAGE_SEALED() from None
        act.audit(tx, "malformed.reveal", "malformed_message", message_id, None)
        return text[:SHOWN]


def forget(database: Database, act: Act, message_id: UUID) -> None:
    """Delete a message that somebody has dealt with.

    Raises:
        RequestRefused: there is no such message.
    """
    with database.write() as tx:
        found = _require(tx, message_id)
        malformed_messages.delete(tx, message_id)
        act.audit(tx, "malformed.forget", "malformed_message", message_id, None, before=found.reason[:200])


def _require(tx: Tx, message_id: UUID) -> MalformedMessage:
    found = malformed_messages.get(tx, message_id)
    if found is None:
        raise refusals.UNKNOWN_MESSAGE()
    return found
