"""A served portal: start the processes, set up its practices, print how to sign in, show mail as it arrives, and stop
everything at Ctrl-C."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from rich.text import Text

from worker.cli.exits import ExitCode
from worker.cli.output import clean, console, say, say_json, say_line, short_path
from worker.local.mail_catcher import Delivery, Mailbox
from worker.local.practices import HARBOUR, PASSWORD, STAFF, set_up_served
from worker.local.processes import LOOPBACK
from worker.local.running import prepared, started
from worker.local.stack import LocalStack, Plan

POLL_SECONDS = 0.5
_LINK = re.compile(r"https?://[^\s<>\"]+")


def serve_portal(plan: Plan, *, as_json: bool) -> ExitCode:
    """Serve until interrupted.

    Raises:
        Problem: it could not start, or one of its processes ended. The others were stopped.
    """
    with prepared(plan, kept=True, what="the portal") as ready, started(ready) as stack:
        set_up_served(stack)
        before = len(stack.mailbox.deliveries())
        if as_json:
            say_json(_addresses(stack))
        else:
            _show_opening(stack)
        sys.stdout.flush()
        with suppress(KeyboardInterrupt):
            _watch(stack, before, as_json=as_json)
        if not as_json:
            say()
    return ExitCode.DONE


def _watch(stack: LocalStack, shown: int, *, as_json: bool) -> None:
    """Show mail as it arrives, while all processes run."""
    while True:
        stack.processes.check()
        arrived = stack.mailbox.deliveries()
        for delivery in arrived[shown:]:
            if not as_json:
                _show_mail(delivery, stack.mailbox)
        shown = len(arrived)
        sys.stdout.flush()
        time.sleep(POLL_SECONDS)


def _addresses(stack: LocalStack) -> dict[str, Any]:
    """The keys of `portal-sync serve --json`: addresses, folders, and who can sign in with the one password."""
    return {
        "url": stack.settings.public_url,
        "simulator_url": f"http://{LOOPBACK}:{stack.simulator.port}",
        "mail": str(stack.mailbox.folder),
        "logs": str(stack.logs),
        "password": PASSWORD,
        "staff": [{"name": m.name, "role": m.role.value, "email": m.email, "practice": m.practice} for m in STAFF],
    }


def _show_opening(stack: LocalStack) -> None:
    found = _addresses(stack)
    say(f"The portal is at {found['url']}/", style="bold")
    say_line(f"  password  {PASSWORD}")
    for place, member in enumerate(STAFF):
        label = "" if place else "sign in"
        say_line(f"  {label:<9} {member.email:<24} {member.role.value.replace('_', ' '):<14} {member.note}")
    say_line(f"  MFA       the first sign-in at {HARBOUR} leads to setting up an authenticator app")
    say_line(f"  XPM       a simulator with {stack.plan.clients:,} clients: {found['simulator_url']}/")
    say_line(f"  mail      saved in {short_path(stack.mailbox.folder)}; new emails are shown below with their links")
    say_line(f"  state     saved in {short_path(stack.plan.folder)}; remove it to start again from nothing")
    say("Press Ctrl-C to stop.")


def _show_mail(delivery: Delivery, box: Mailbox) -> None:
    words = f"Email to {delivery.recipient}: {delivery.subject}"
    console().print(Text(clean(words)), no_wrap=True, overflow="ellipsis")
    for link in links(delivery, box):
        say_line(f"  {link}")


def links(delivery: Delivery, box: Mailbox) -> Iterator[str]:
    """The web addresses in an email's text, in order."""
    message = message_from_bytes((box.folder / delivery.file).read_bytes(), policy=policy.default)
    assert isinstance(message, EmailMessage)  # noqa: S101  for the type checker: the policy makes these
    body = message.get_body(("plain",))
    yield from dict.fromkeys(_LINK.findall(body.get_content() if body else ""))
