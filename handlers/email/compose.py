"""Composes an email from a pair of templates, text and HTML."""

from __future__ import annotations

from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parseaddr

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from config.settings import Settings
from handlers.email import addresses

_templates = Environment(
    loader=PackageLoader("handlers.email"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
)


def compose(
    settings: Settings, template: str, *, to: str, subject: str, message_id: str, values: dict[str, str]
) -> EmailMessage:
    """The message of `templates/<template>.txt` and `.html`. Values and subject become one line: names reach headers.

    Args:
        message_id: the stable left part of the Message-ID.
    """
    sender_name, sender = parseaddr(settings.mail_from)
    local, _, domain = sender.partition("@")
    lines = {name: one_line(value) for name, value in values.items()}
    message = EmailMessage(policy=SMTP)
    message["Subject"] = one_line(subject)
    message["From"] = Address(sender_name, local, domain)
    message["To"] = addresses.for_delivery(to)
    message["Message-ID"] = f"<{message_id}@{domain}>"
    message.set_content(_templates.get_template(f"{template}.txt").render(lines))
    message.add_alternative(_templates.get_template(f"{template}.html").render(lines), subtype="html")
    return message


def one_line(text: str) -> str:
    """Text without line breaks and runs of blanks."""
    return " ".join(text.split())
