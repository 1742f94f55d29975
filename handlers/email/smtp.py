"""Sends one message over SMTP. The outcome is one of three: sent, certainly not sent, or unknown.

Source of the phases: RFC 5321. Until the server answers the end of DATA nothing was accepted; without that answer the
outcome is unknown (P21's cousin for email). A connection is kept for the next message; one that has gone stale is noticed
before anything of that message is sent. What comes before a message is sent at once to a server that takes it so (RFC 2920):
one round trip instead of four.
"""

from __future__ import annotations

import re
import smtplib
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email.message import Message
from email.utils import parseaddr
from urllib.parse import parse_qs, unquote, urlsplit

from config import metrics, spans
from config.settings import SettingsError
from handlers import refusals
from handlers.errors import JobError, OutcomeUnknown, Rejected, Transient

SECONDS_PER_STEP = 8.0
#: For the answer to the message: a server may look for viruses before it takes it, and whoever does not wait does not know.
SECONDS_FOR_THE_ANSWER = 30.0
_TELL_OPERATIONS = "Operations must look at the mail server or our sender address. It is retried automatically."
#: How long a connection is kept for the next message: less than any server waits.
KEEP_SECONDS = 20.0
#: The server's yes to DATA.
_GO_ON = 354

_Replies = Iterator[tuple[int, bytes]]

_OUTCOMES: dict[type[JobError], str] = {Transient: "not_sent", Rejected: "refused", OutcomeUnknown: "unknown"}


class SmtpMailer:
    """A mail server at an address like `smtp://user:password@host:587?starttls=require`.

    Args:
        url: scheme `smtp` or `smtps`; `starttls` is `require` or absent.

    Raises:
        SettingsError: the address does not say where the server is.
    """

    def __init__(self, url: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise SettingsError("SMTP_URL does not fit: it must look like smtp://host:port or smtps://host:port.")
        self._host = parts.hostname
        self._implicit_tls = parts.scheme == "smtps"
        self._port = parts.port or (465 if self._implicit_tls else 25)
        self._starttls = parse_qs(parts.query).get("starttls") == ["require"]
        self._login = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
        self._monotonic = monotonic
        self._idle: deque[tuple[smtplib.SMTP, float]] = deque()

    def send(self, message: Message, recipient: str) -> None:
        """Deliver `message` to one recipient.

        Raises:
            Transient: certainly not sent; may succeed later.
            Rejected: certainly not sent; the server refuses it for this recipient.
            OutcomeUnknown: the server had the whole message and did not answer.
        """
        with spans.part("send email") as attributes:
            try:
                self._send(message, recipient)
            except (Transient, Rejected, OutcomeUnknown) as error:
                _note(_OUTCOMES[type(error)], attributes)
                raise
            _note("sent", attributes)

    def _send(self, message: Message, recipient: str) -> None:
        sender = parseaddr(str(message["From"]))[1]
        announcement = [f"MAIL FROM:{smtplib.quoteaddr(sender)}", f"RCPT TO:{smtplib.quoteaddr(recipient)}", "DATA"]
        server, replies = self._ask_idle_one(announcement) or self._ask_new_one(announcement)
        try:
            _deliver(server, replies, message)
        except BaseException:
            server.close()  # QUIT could only fail: the answer that matters is in
            raise
        self._idle.append((server, self._monotonic()))

    def check(self) -> bool:
        """Connect and log in, as for a message, without sending one.

        Returns:
            Whether the connection is encrypted.

        Raises:
            Transient: the server cannot be reached, its certificate is not valid, or it does not accept our login.
        """
        with _certainly_not_sent():
            self._connect().close()
        return self._implicit_tls or self._starttls

    def close(self) -> None:
        """Close the connections that are kept for later messages."""
        while self._idle:
            self._idle.pop()[0].close()

    def _ask_idle_one(self, commands: list[str]) -> tuple[smtplib.SMTP, _Replies] | None:
        """A kept connection that was used lately, and on which the server answers; and its replies to these commands."""
        while self._idle:
            try:
                server, used_at = self._idle.pop()
            except IndexError:  # another thread took it
                return None
            with suppress(OSError, smtplib.SMTPException):
                if self._monotonic() - used_at < KEEP_SECONDS:
                    replies = _ask(server, ["RSET", *commands])
                    if _is_yes(next(replies)[0]):
                        return server, replies
            server.close()
        return None

    def _ask_new_one(self, commands: list[str]) -> tuple[smtplib.SMTP, _Replies]:
        with _certainly_not_sent():
            server = self._connect()
        return server, _ask(server, commands)

    def _connect(self) -> smtplib.SMTP:
        if self._implicit_tls:
            context = ssl.create_default_context()
            server: smtplib.SMTP = smtplib.SMTP_SSL(self._host, self._port, timeout=SECONDS_PER_STEP, context=context)
        else:
            server = smtplib.SMTP(self._host, self._port, timeout=SECONDS_PER_STEP)
        try:
            if self._starttls:
                server.starttls(context=ssl.create_default_context())
            if self._login is not None:
                server.login(*self._login)
        except BaseException:
            server.close()
            raise
        return server


def _note(outcome: str, attributes: dict[str, str | int]) -> None:
    attributes["portal_sync.outcome"] = outcome
    metrics.EMAIL_SENDS.labels(outcome).inc()


def _ask(server: smtplib.SMTP, commands: list[str]) -> _Replies:
    """The replies to these commands, which are sent at once if the server takes them so.

    Raises:
        ValueError: a command has a line break, so that it would be two.
    """
    server.ehlo_or_helo_if_needed()
    if server.has_extn("pipelining"):
        if any(command.splitlines() != [command] for command in commands):
            raise ValueError("a command of SMTP is one line")
        server.send("".join(f"{command}\r\n" for command in commands))
        for _ in commands:
            yield server.getreply()
    else:
        for command in commands:
            yield server.docmd(command)


def _deliver(server: smtplib.SMTP, replies: _Replies, message: Message) -> None:
    """Send the message, once the server has said yes to its sender and recipient."""
    content = message.as_bytes(policy=message.policy.clone(linesep="\r\n")).removesuffix(b"\r\n")
    with _certainly_not_sent():
        code, _ = next(replies)
        if not _is_yes(code):
            raise _refused_us()
        code, answer = next(replies)
    if not _is_yes(code):
        raise _refused(code, answer)
    with _patient(server):
        with _certainly_not_sent():
            code, answer = next(replies)
        if code != _GO_ON:
            raise _refused(code, answer)
        try:
            server.send(re.sub(rb"(?m)^\.", b"..", content) + b"\r\n.\r\n")
            code, answer = server.getreply()
        except (OSError, smtplib.SMTPException) as silence:
            raise _unknown() from silence
    if not 200 <= code < 600 or 300 <= code < 400:  # no reply of SMTP's: it may mean anything
        raise _unknown()
    if not _is_yes(code):
        raise _refused(code, answer)


@contextmanager
def _patient(server: smtplib.SMTP) -> Iterator[None]:
    """Wait longer for the server's answers meanwhile."""
    if server.sock is not None:
        server.sock.settimeout(SECONDS_FOR_THE_ANSWER)
    yield
    if server.sock is not None:
        server.sock.settimeout(SECONDS_PER_STEP)


@contextmanager
def _certainly_not_sent() -> Iterator[None]:
    try:
        yield
    except smtplib.SMTPResponseException as refusal:
        raise _refused_us() from refusal
    except ssl.SSLCertVerificationError as error:
        raise Transient(
            "smtp_certificate", "The mail server's certificate is not valid; nothing was sent.", _TELL_OPERATIONS
        ) from error
    except (OSError, smtplib.SMTPException) as error:
        raise Transient("smtp_unreachable", "The mail server could not be reached; nothing was sent.") from error


def _is_yes(code: int) -> bool:
    return 200 <= code < 300


def _unknown() -> OutcomeUnknown:
    return OutcomeUnknown(
        "email_outcome_unknown",
        "The mail server received the email but didn't confirm it, so it may or may not have been sent.",
        "Ask the client, then resend it or mark it delivered.",
    )


def _refused_us() -> Transient:
    """Refused before any recipient was named: the cause is our sender or login, not the client's address."""
    message = "The mail server doesn't accept email from us at present; nothing was sent."
    return Transient("smtp_refuses_us", message, _TELL_OPERATIONS)


def _refused(code: int, answer: bytes | str) -> Transient | Rejected:
    """What a refusal of this recipient or message means: the enhanced status decides, else the code (RFC 3463, RFC 5321
    §4.2.3). Only an address that does not exist is the client's to correct."""
    if not 500 <= code < 600:
        return Transient("smtp_refused_for_now", "The mail server asked to try again later; nothing was sent.")
    if code in (530, 534, 535, 538):
        return _refused_us()
    match _subject(answer) or _SUBJECT_OF.get(code, "1"):
        case "1" | "2.1":  # the address is wrong, or its mailbox is closed
            return refusals.EMAIL_REFUSED()
        case "2" | "2.2" | "3":  # full, or its system has no room
            return Transient(
                "smtp_mailbox_full", "The client's mailbox can't take more email at present; nothing was sent."
            )
        case _:  # routing, protocol, security or policy: our sender, our quota, our message
            message = "The mail server doesn't accept this email from us; nothing was sent."
            return Transient("smtp_policy", message, _TELL_OPERATIONS)


def _subject(answer: bytes | str) -> str | None:
    """The subject of a 5.x.y status, with its detail where that decides: `1`, `2.1`, `2.2`, `7`."""
    text = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
    found = re.match(r"5\.(\d{1,3})\.(\d{1,3})\b", text.lstrip())
    if found is None:
        return None
    subject, detail = found.groups()
    return f"2.{detail}" if subject == "2" and detail in "12" else subject


#: The subject of a reply code that comes without an enhanced status: mailbox, storage, mailbox name, transaction.
_SUBJECT_OF = {550: "1", 551: "1", 552: "2.2", 553: "1", 554: "7"}
