"""Sending an email once: what becomes of one whose intent to send is committed.

Only when the mailer is certain that nothing was sent is the intent withdrawn and the job tried again. An outcome that nobody
knows stays unknown: no second email is ever sent by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from email.message import Message

from handlers.email import addresses
from handlers.errors import Deferred, OutcomeUnknown, Rejected, Transient
from handlers.services import Services
from portal_db.database import Tx
from portal_db.states import EmailState


def send_once(services: Services, message: Message, email: str, withdraw: Callable[[Tx], None]) -> EmailState:
    """Send a message whose intent is committed.

    Args:
        withdraw: ends the intent.

    Returns:
        What became of the email.

    Raises:
        Transient, Deferred: from the mail server; nothing was sent, and the intent is withdrawn.
    """
    try:
        services.mailer.send(message, addresses.for_delivery(email))
    except (Deferred, Transient):
        with services.database.write() as tx:
            withdraw(tx)
        raise
    except Rejected:
        return EmailState.REFUSED
    except OutcomeUnknown:
        return EmailState.UNKNOWN
    return EmailState.SENT
