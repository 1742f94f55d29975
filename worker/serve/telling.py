"""What a served portal says: where it is and how to sign in, and each email as it arrives, with the link in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage

from rich.text import Text

from worker.cli.output import clean, console, say, say_json, say_line, short
from worker.embedded.mail import Delivery, Mailbox
from worker.embedded.processes import LOOPBACK
from worker.embedded.shape import EmbeddedShape
from worker.serve.seed import PASSWORD, STAFF

_LINK = re.compile(r"https?://[^\s<>\"]+")


@dataclass(frozen=True)
class Where:
    """The keys of `portal-sync serve --json`: addresses, folders, and who can sign in with the one password."""

    url: str
    simulator_url: str
    mail: str
    logs: str
    password: str
    staff: list[dict[str, str]]


def where(shape: EmbeddedShape) -> Where:
    """Where everything is."""
    return Where(
        url=shape.settings.public_url,
        simulator_url=f"http://{LOOPBACK}:{shape.simulator.port}",
        mail=str(shape.mailbox.folder),
        logs=str(shape.logs),
        password=PASSWORD,
        staff=[{"name": m.name, "role": m.role.value, "email": m.email, "practice": m.practice} for m in STAFF],
    )


def opening(shape: EmbeddedShape, *, as_json: bool) -> None:
    """Where everything is, once it can be used."""
    found = where(shape)
    if as_json:
        say_json(asdict(found))
        return
    say(f"The portal is at {found.url}/", style="bold")
    say_line(f"  password  {found.password}")
    for place, member in enumerate(STAFF):
        label = "" if place else "sign in"
        say_line(f"  {label:<9} {member.email:<24} {member.role.value.replace('_', ' '):<14} {member.note}")
    say_line(f"  XPM       a simulator with {shape.plan.clients:,} clients: {found.simulator_url}/")
    say_line(f"  mail      kept in {short(shape.mailbox.folder)}; what arrives is told below, with its link")
    say_line(f"  state     {short(shape.plan.folder)}, kept; remove it to begin anew")
    say("Ctrl-C stops everything.")


def mail(delivery: Delivery, box: Mailbox) -> None:
    """One email that arrived."""
    words = f"Mail to {delivery.recipient}: {delivery.subject}"
    console().print(Text(clean(words)), no_wrap=True, overflow="ellipsis")
    for link in links(delivery, box):
        say_line(f"  {link}")


def links(delivery: Delivery, box: Mailbox) -> Iterator[str]:
    """The addresses in an email's text, in its order."""
    message = message_from_bytes((box.folder / delivery.file).read_bytes(), policy=policy.default)
    assert isinstance(message, EmailMessage)  # noqa: S101  for the type checker: the policy makes these
    body = message.get_body(("plain",))
    yield from dict.fromkeys(_LINK.findall(body.get_content() if body else ""))
