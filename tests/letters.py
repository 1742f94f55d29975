"""Reading the emails that a world's mail catcher received."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage

from tests.world import World


def letters(world: World) -> list[EmailMessage]:
    """The emails that arrived, in order."""
    files = [world.mail.mailbox.folder / each.file for each in world.mail.deliveries()]
    return [message_from_bytes(file.read_bytes(), policy=policy.default) for file in files]


def body(letter: EmailMessage, kind: str = "plain") -> str:
    """What an email says, as text or as HTML."""
    found = letter.get_body((kind,))
    assert found is not None
    return str(found.get_content())
