"""Composes an email from a pair of templates, text and HTML.

Of the standard library's two ways to build a message, this uses the older: `EmailMessage` parses each header again as it is
set, which takes ten times as long.
"""

from __future__ import annotations

from email.charset import QP, Charset
from email.header import Header
from email.message import Message
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import formataddr, parseaddr

from jinja2 import Environment, StrictUndefined, select_autoescape

from config.settings import Settings
from config.templates import read_templates
from handlers.email import addresses

_templates = Environment(
    loader=read_templates("handlers.email"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
)
_UTF_8 = Charset("utf-8")
_UTF_8.body_encoding = QP


def compose(
    settings: Settings, template: str, *, to: str, subject: str, message_id: str, values: dict[str, str]
) -> Message:
    """The message of `templates/<template>.txt` and `.html`. Values and subject become one line: names reach headers.

    Args:
        message_id: the stable left part of the Message-ID.
    """
    sender_name, sender = parseaddr(settings.mail_from)
    lines = {name: one_line(value) for name, value in values.items()}
    message = MIMEMultipart("alternative")
    message["Subject"] = Header(one_line(subject), header_name="Subject").encode()
    message["From"] = formataddr((sender_name, sender))
    message["To"] = addresses.for_delivery(to)
    message["Message-ID"] = f"<{message_id}@{sender.partition('@')[2]}>"
    for suffix, subtype in (("txt", "plain"), ("html", "html")):
        text = _templates.get_template(f"{template}.{suffix}").render(lines)
        message.attach(MIMEText(text, subtype, _UTF_8))  # type: ignore[arg-type]  # it takes a Charset as well
    return message


def one_line(text: str) -> str:
    """Text without line breaks and runs of blanks."""
    return " ".join(text.split())
