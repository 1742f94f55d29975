"""A local mail catcher: accepts every message on loopback SMTP, saves it in a folder, and sends nothing on.
`python -m worker.local.mail_catcher --port PORT --dir FOLDER`; in tests, `with catching(folder) as catcher`.

The folder holds one `<sequence>-<hash of the Message-ID>.eml` per message and `deliveries.jsonl` with one line per
recipient. An optional `behaviour.json` makes the server misbehave (`Behaviour`); each time, it adds a line to
`misdeeds.jsonl`. aiosmtpd's own `Mailbox` does not serve here: it rewrites the message and records no recipients.
"""

import argparse
import asyncio
import hashlib
import signal
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Annotated, Literal, Self

from aiosmtpd.smtp import SMTP, Envelope, Session
from pydantic import BaseModel, ConfigDict, Field

from worker.local.processes import LOOPBACK

Refusal = Annotated[str, Field(pattern=r"^[45]\d\d \S.*$")]
"""An SMTP refusal, such as `451 4.3.0 Try again later` or `550 5.1.1 No such mailbox`."""


class Behaviour(BaseModel):
    """How the catcher treats messages: it accepts all, unless `FOLDER/behaviour.json` says otherwise at that moment.

    refuse: replies to RCPT TO, by recipient address in lower case, or `*` for all.
    at_data: the reply to a whole message instead of saving it.
    silence: no reply to a whole message, so its sender cannot know the outcome; the connection is dropped, or hangs.
    keep_silenced: whether a message without a reply is delivered or lost.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    refuse: dict[str, Refusal] = {}
    at_data: Refusal | None = None
    silence: Literal["drop", "hang"] | None = None
    keep_silenced: bool = True

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Read the folder's file. Raises pydantic.ValidationError if it is not valid."""
        try:
            return cls.model_validate_json((folder / "behaviour.json").read_bytes())
        except FileNotFoundError:
            return cls()

    def save(self, folder: Path) -> None:
        """Apply from the next message on."""
        partial = folder / "behaviour.json.partial"
        partial.write_text(self.model_dump_json())
        partial.replace(folder / "behaviour.json")


class Delivery(BaseModel):
    """One message that reached one recipient. `size` is in bytes, `file` the name of the message in the folder."""

    model_config = ConfigDict(frozen=True)

    recipient: str
    message_id: str
    subject: str
    at: datetime
    size: int
    file: str


class Misdeed(BaseModel):
    """One time that the catcher misbehaved: a recipient or a message refused, or silence in place of a reply."""

    model_config = ConfigDict(frozen=True)

    did: Literal["refused", "refused at data", "drop", "hang"]
    recipients: list[str]
    at: datetime


class Mailbox:
    """The folder of delivered mail. Written by one catcher, readable by any process at any time."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._kept: int | None = None

    def keep(self, content: bytes, recipients: Sequence[str]) -> None:
        """Save a message, and a delivery for each recipient."""
        headers = BytesHeaderParser().parsebytes(content)  # the newer policy takes three times as long
        message_id = "".join(str(headers["Message-ID"] or "").split())
        subject = str(make_header(decode_header("".join(str(headers["Subject"] or "").splitlines()))))
        if self._kept is None:  # once: counting the files for each message would take longer with each
            self._kept = sum(1 for _ in self.folder.glob("*.eml"))
        self._kept += 1
        file = f"{self._kept:06}-{hashlib.sha256(message_id.encode()).hexdigest()[:12]}.eml"
        (self.folder / file).write_bytes(content)
        now = datetime.now(UTC)
        with (self.folder / "deliveries.jsonl").open("a") as log:
            for recipient in recipients:
                delivery = Delivery(
                    recipient=recipient, message_id=message_id, subject=subject, at=now, size=len(content), file=file
                )
                log.write(delivery.model_dump_json() + "\n")

    def deliveries(self) -> list[Delivery]:
        """Everything delivered so far, oldest first."""
        return [Delivery.model_validate_json(line) for line in self._lines("deliveries.jsonl")]

    def note(self, did: Literal["refused", "refused at data", "drop", "hang"], recipients: Sequence[str]) -> None:
        """Record a misdeed."""
        misdeed = Misdeed(did=did, recipients=list(recipients), at=datetime.now(UTC))
        with (self.folder / "misdeeds.jsonl").open("a") as log:
            log.write(misdeed.model_dump_json() + "\n")

    def misdeeds(self) -> list[Misdeed]:
        """Every misdeed so far, oldest first."""
        return [Misdeed.model_validate_json(line) for line in self._lines("misdeeds.jsonl")]

    def _lines(self, name: str) -> list[str]:
        try:
            log = (self.folder / name).read_text()
        except FileNotFoundError:
            return []
        return log[: log.rfind("\n") + 1].splitlines()  # whole lines only


@dataclass(frozen=True)
class MailCatcher:
    """A catcher running in this process: `url` as in SMTP_URL, and its folder."""

    url: str
    mailbox: Mailbox

    def deliveries(self) -> list[Delivery]:
        """Everything delivered so far, oldest first."""
        return self.mailbox.deliveries()

    def behave(self, behaviour: Behaviour) -> None:
        """Apply a behaviour from the next message on; `Behaviour()` returns to normal."""
        behaviour.save(self.mailbox.folder)


@contextmanager
def catching(folder: Path, tls: ssl.SSLContext | None = None) -> Iterator[MailCatcher]:
    """Run a catcher in a thread of this process, on a free loopback port, until the block is left.

    Args:
        tls: what it shows of itself if every connection to it is encrypted.
    """
    started: Future[tuple[int, Callable[[], object]]] = Future()

    async def serve() -> None:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        await _serve(
            folder,
            0,
            ended,
            lambda port: started.set_result((port, lambda: loop.call_soon_threadsafe(ended.set))),
            tls,
        )

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    thread = threading.Thread(target=run, name="mail catcher", daemon=True)
    thread.start()
    port, end = started.result()
    try:
        yield MailCatcher(f"{'smtps' if tls else 'smtp'}://{LOOPBACK}:{port}", Mailbox(folder))
    finally:
        end()
        thread.join()


class _Handler:
    """The hooks that aiosmtpd calls for a client's commands; they return the reply."""

    def __init__(self, folder: Path) -> None:
        self._mailbox = Mailbox(folder)

    async def handle_EHLO(
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, replies: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [replies[0], "250-PIPELINING", *replies[1:]]

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        refuse = Behaviour.of(self._mailbox.folder).refuse
        refusal = refuse.get(address.lower()) or refuse.get("*")
        if refusal:
            self._mailbox.note("refused", [address])
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:
        behaviour = Behaviour.of(self._mailbox.folder)
        if behaviour.at_data:
            self._mailbox.note("refused at data", envelope.rcpt_tos)
            return behaviour.at_data
        if behaviour.silence is None or behaviour.keep_silenced:
            assert isinstance(envelope.content, bytes)  # noqa: S101  for the type checker: we decode nothing
            self._mailbox.keep(envelope.content, envelope.rcpt_tos)
        if behaviour.silence:
            self._mailbox.note(behaviour.silence, envelope.rcpt_tos)
        if behaviour.silence == "drop" and server.transport:
            server.transport.close()
        if behaviour.silence:
            await asyncio.Event().wait()  # until the connection closes, which cancels us
        return "250 2.0.0 Kept"


async def _serve(
    folder: Path,
    port: int,
    ended: asyncio.Event,
    listening: Callable[[int], None],
    tls: ssl.SSLContext | None = None,
) -> None:
    loop, handler = asyncio.get_running_loop(), _Handler(folder)
    server = await loop.create_server(
        lambda: SMTP(handler, hostname="localhost", enable_SMTPUTF8=True, loop=loop), LOOPBACK, port, ssl=tls
    )
    listening(server.sockets[0].getsockname()[1])
    await ended.wait()
    server.close()


async def _serve_until_signalled(folder: Path, port: int) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    address = f"Listening on {LOOPBACK}:{{}}, saving mail in {folder}"
    await _serve(folder, port, ended, lambda port: print(address.format(port), flush=True))  # noqa: T201


def main() -> None:
    """Run the catcher until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(
        prog="python -m worker.local.mail_catcher", description="Save mail and send nothing on."
    )
    parser.add_argument("--port", type=int, required=True, help="the loopback port to listen on; 0 for a free one")
    parser.add_argument("--dir", type=Path, required=True, help="folder for messages")
    options = parser.parse_args()
    asyncio.run(_serve_until_signalled(options.dir, options.port))


if __name__ == "__main__":
    main()
