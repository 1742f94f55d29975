"""The email that invites a client, or a co-owner of their account, to activate it: its words, and its preview."""

from __future__ import annotations

from dataclasses import dataclass
from email.header import decode_header, make_header
from email.message import Message
from uuid import UUID

from config.settings import Settings
from handlers.access import firm, practices
from handlers.access.firm import Look
from handlers.email import compose as email_compose
from handlers.email.greeting import greeting
from portal_db.access import looks
from portal_db.database import Tx
from portal_db.tables import PracticeLook

LINK_VALID_SECONDS = 30 * 24 * 3600


@dataclass(frozen=True)
class Preview:
    """An invitation as it would be sent, without its link."""

    to: str
    subject: str
    text: str


def compose(
    settings: Settings,
    practice_name: str,
    look: PracticeLook | None,
    *,
    name: str,
    to: str,
    message_id: str,
    token: str,
) -> Message:
    """The message with its activation link.

    Args:
        name: how it greets them.
    """
    values = {
        "greeting": greeting(name),
        "practice_name": practice_name,
        "activation_url": f"{settings.public_url.rstrip('/')}/activate#{token}",
        "days": str(LINK_VALID_SECONDS // 86_400),
        **firm.email_values(settings, Look.of(look)),
    }
    subject = f"Welcome to the client portal of {practice_name}"
    return email_compose.compose(settings, "welcome", to=to, subject=subject, message_id=message_id, values=values)


def preview(tx: Tx, settings: Settings, practice_id: UUID, *, name: str, to: str) -> Preview:
    """What somebody would receive from a practice."""
    practice, look = practices.require_practice(tx, practice_id), looks.get(tx, practice_id)
    message = compose(settings, practice.name, look, name=name, to=to, message_id="preview", token="…")  # noqa: S106 -- stands for one
    text = next(part for part in message.walk() if part.get_content_type() == "text/plain")
    subject = str(make_header(decode_header(message["Subject"])))
    return Preview(to, subject, bytes(text.get_payload(decode=True)).decode())
