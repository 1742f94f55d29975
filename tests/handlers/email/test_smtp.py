"""SmtpMailer: at each step of a delivery it says for certain sent, for certain not sent, or not known."""

from __future__ import annotations

import smtplib
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from urllib.parse import urlsplit

import pytest

from config.settings import SettingsError
from handlers.email import smtp
from handlers.email.smtp import KEEP_SECONDS, SmtpMailer
from handlers.errors import JobError, OutcomeUnknown, Rejected, Transient
from handlers.jobs.kinds import KINDS
from portal_db.states import Lane
from worker.local.mail_catcher import Behaviour, MailCatcher
from worker.runner.chain import BEGIN_WITHIN

DROP = "drop"
HANG = "hang"

STEPS = {
    "greeting": "220 hello",
    "ehlo": "250 hello",
    "helo": "250 hello",
    "mail": "250 ok",
    "rcpt": "250 ok",
    "rset": "250 ok",
    "data": "354 go on",
    "end": "250 kept",
}


@dataclass
class Script:
    """A mail server that follows a script; it remembers what it was told, and whole messages it said yes to."""

    replies: Mapping[str, str]
    port: int = 0
    told: list[str] = field(default_factory=list)
    accepted: list[bytes] = field(default_factory=list)

    def serve(self, listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with suppress(ConnectionError), connection, connection.makefile("rb") as lines:
            if not self._answer(connection, "greeting"):
                return
            for line in lines:
                command = line.decode().strip()
                self.told.append(command)
                step = command.split(":")[0].split(" ")[0].lower()
                if step == "data" and self._reply(step).startswith("354"):
                    if not self._answer(connection, step):
                        return
                    message = whole_message(lines)
                    if message is None:
                        return
                    step = "end"
                    if self._reply(step).startswith("2"):
                        self.accepted.append(message)
                if not self._answer(connection, step):
                    return

    def _reply(self, step: str) -> str:
        return self.replies.get(step, STEPS[step])

    def _answer(self, connection: socket.socket, step: str) -> bool:
        """Whether the conversation goes on."""
        reply = self._reply(step)
        if reply == HANG:
            connection.recv(1)  # until the other side gives up
        if reply in (DROP, HANG):
            return False
        connection.sendall(f"{reply}\r\n".encode())
        return True


def whole_message(lines: Iterable[bytes]) -> bytes | None:
    """What comes up to the dot that ends it; None if none does."""
    taken = list[bytes]()
    for line in lines:
        if line == b".\r\n":
            return b"".join(taken)
        taken.append(line)
    return None


@pytest.fixture(autouse=True, params=["one by one", "at once"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How a scripted server takes commands. It says the same of a message either way."""
    if request.param == "at once":
        monkeypatch.setitem(STEPS, "ehlo", "250-hello\r\n250 PIPELINING")


@contextmanager
def scripted(replies: Mapping[str, str]) -> Iterator[Script]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        script = Script(replies, listener.getsockname()[1])
        thread = threading.Thread(target=script.serve, args=(listener,), daemon=True)
        thread.start()
        yield script
        thread.join(10)
        assert not thread.is_alive(), "the scripted server still waits"


def letter() -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = "Portal <portal@portal.example>", "kim@mail.example", "Welcome"
    message["Message-ID"] = "<1@portal.example>"
    message.set_content("Hello\n.a line that begins with a dot\n")
    return message


def send(replies: Mapping[str, str]) -> JobError | None:
    """Send through a server that answers so; what came of it."""
    with scripted(replies) as script, closing(SmtpMailer(f"smtp://127.0.0.1:{script.port}")) as mailer:
        try:
            mailer.send(letter(), "kim@mail.example")
        except JobError as error:
            return error
        return None


def test_a_message_that_the_server_takes_is_sent(mail_catcher: MailCatcher) -> None:
    with closing(SmtpMailer(mail_catcher.url)) as mailer:
        mailer.send(letter(), "kim@mail.example")
    (delivery,) = mail_catcher.deliveries()
    assert delivery.recipient == "kim@mail.example"
    content = (mail_catcher.mailbox.folder / delivery.file).read_bytes()
    assert b"\r\n.a line that begins with a dot\r\n" in content


def test_a_connection_is_kept_for_the_next_message() -> None:
    with scripted({}) as script, closing(SmtpMailer(f"smtp://127.0.0.1:{script.port}")) as mailer:
        for _ in range(3):
            mailer.send(letter(), "kim@mail.example")
    assert len(script.accepted) == 3
    assert [command.lower() for command in script.told].count("rset") == 2


def test_what_comes_before_a_message_is_sent_at_once() -> None:
    """Each round trip saved is one to a server that may be far away."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor() as threads:
        mailer = SmtpMailer(f"smtp://127.0.0.1:{listener.getsockname()[1]}")
        first = threads.submit(mailer.send, letter(), "kim@mail.example")
        connection, _ = listener.accept()
        with closing(mailer), connection, connection.makefile("rb") as lines:
            connection.sendall(b"220 hello\r\n")
            assert lines.readline().startswith(b"ehlo")
            connection.sendall(b"250-hello\r\n250 PIPELINING\r\n")
            # When it has answered nothing yet, then all is there up to DATA
            commands = b"MAIL FROM:<portal@portal.example>\r\nRCPT TO:<kim@mail.example>\r\nDATA\r\n"
            assert lines.read(len(commands)) == commands
            connection.sendall(b"250 ok\r\n250 ok\r\n354 go on\r\n")
            assert b"\r\nSubject: Welcome\r\n" in (whole_message(lines) or b"")
            connection.sendall(b"250 kept\r\n")
            first.result()
            # And so with a message on the connection that was kept
            second = threads.submit(mailer.send, letter(), "kim@mail.example")
            assert lines.read(len(commands) + 6) == b"RSET\r\n" + commands
            connection.sendall(b"250 ok\r\n250 ok\r\n250 ok\r\n451 4.3.0 Later\r\n")
            assert isinstance(second.exception(), Transient)


def test_a_message_is_not_begun_before_all_has_been_accepted() -> None:
    """A server may say yes to DATA though it refused the recipient: to go on would end in a message to nobody."""
    with (
        scripted({"rcpt": "550 5.1.1 No such mailbox"}) as script,
        closing(SmtpMailer(f"smtp://127.0.0.1:{script.port}")) as mailer,
        pytest.raises(Rejected),
    ):
        mailer.send(letter(), "kim@mail.example")
    assert script.accepted == []


def test_an_address_of_two_lines_is_no_command() -> None:
    with (
        scripted({}) as script,
        closing(SmtpMailer(f"smtp://127.0.0.1:{script.port}")) as mailer,
        pytest.raises(ValueError, match=r"line|newline"),
    ):
        mailer.send(letter(), "kim@mail.example>\r\nRCPT TO:<bob@mail.example")
    assert not [command for command in script.told if "bob" in command]


@pytest.mark.parametrize("answer", [DROP, "421 4.3.2 Closing", "500 what"])
def test_a_kept_connection_that_has_gone_stale_is_replaced_before_anything_is_sent(
    mail_catcher: MailCatcher, answer: str
) -> None:
    with scripted({"rset": answer}) as script, closing(SmtpMailer(f"smtp://127.0.0.1:{script.port}")) as mailer:
        mailer.send(letter(), "kim@mail.example")
        mailer._port = urlsplit(mail_catcher.url).port or 0  # where the next connection goes
        mailer.send(letter(), "kim@mail.example")
    assert (len(script.accepted), len(mail_catcher.deliveries())) == (1, 1)


def test_a_connection_that_was_idle_for_long_is_not_used_again(mail_catcher: MailCatcher) -> None:
    now = [0.0]
    mailer = SmtpMailer("smtp://127.0.0.1:1", monotonic=lambda: now[0])
    with scripted({}) as script, closing(mailer):
        mailer._port = script.port
        mailer.send(letter(), "kim@mail.example")
        now[0], mailer._port = KEEP_SECONDS, urlsplit(mail_catcher.url).port or 0
        mailer.send(letter(), "kim@mail.example")
    assert (len(script.accepted), len(mail_catcher.deliveries())) == (1, 1)
    assert "rset" not in script.told


@pytest.mark.parametrize("answer", ["250 2.0.0 Kept", "251 will forward", "200 fine"])
def test_any_yes_at_the_end_is_a_yes(answer: str) -> None:
    """To try again after a yes would make two emails."""
    assert send({"end": answer}) is None


@pytest.mark.parametrize("step", ["greeting", "ehlo", "mail", "rcpt", "data"])
@pytest.mark.parametrize("answer", [DROP, "421 4.3.2 Closing", "450 4.2.1 Busy", "garbage"])
def test_trouble_before_the_message_means_not_sent(step: str, answer: str) -> None:
    error = send({step: answer, "helo": answer} if step == "ehlo" else {step: answer})
    assert isinstance(error, Transient)
    assert "nothing was sent" in error.message


@pytest.mark.parametrize("step", ["greeting", "ehlo", "mail"])
@pytest.mark.parametrize("answer", ["550 5.7.1 Not you", "554 5.3.2 No service here", "535 5.7.8 Who are you"])
def test_a_server_that_refuses_us_says_nothing_about_the_client(step: str, answer: str) -> None:
    """Telling the requester to check the client's address would send them after the wrong fault."""
    error = send({step: answer, "helo": answer} if step == "ehlo" else {step: answer})
    assert isinstance(error, Transient)
    assert error.field is None


@pytest.mark.parametrize("answer", ["550 5.1.1 No such mailbox", "553 5.1.3 Bad address", "501 5.1.3 Syntax"])
def test_a_recipient_that_is_refused_for_good(answer: str) -> None:
    error = send({"rcpt": answer})
    assert isinstance(error, Rejected)
    assert (error.code, error.field) == ("email_refused", "email")
    assert "kim" not in f"{error.message} {error.remedy}"


@pytest.mark.parametrize(
    "answer", ["550 No such user", "550 5.2.1 Mailbox closed", "551 Not here", "556 5.1.10 Null MX"]
)
def test_an_address_that_cannot_get_email_is_the_client_s_to_correct(answer: str) -> None:
    assert isinstance(send({"rcpt": answer}), Rejected)


@pytest.mark.parametrize("step", ["rcpt", "end"])
@pytest.mark.parametrize(
    "answer",
    [
        "550 5.7.1 Sender refused",
        "554 5.7.1 Spam",
        "550 5.7.26 DMARC",
        "554 5.4.5 Quota",
        "554 5.5.1 What?",
        "554 Go away",
    ],
)
def test_a_refusal_of_our_sender_or_message_does_not_blame_the_client(step: str, answer: str) -> None:
    """31 of 31 clients were told to check their address where our sender was refused."""
    error = send({step: answer})
    assert isinstance(error, Transient)
    assert (error.code, error.field) == ("smtp_policy", None)
    assert "Operations" in (error.remedy or "")


@pytest.mark.parametrize("answer", ["552 5.2.2 Over quota", "550 5.2.2 Full", "554 5.3.4 Too big", "552 No room"])
def test_a_full_mailbox_is_tried_again(answer: str) -> None:
    error = send({"rcpt": answer})
    assert isinstance(error, Transient)
    assert error.code == "smtp_mailbox_full"


@pytest.mark.parametrize("step", ["data", "end"])
def test_a_message_that_is_refused_for_now(step: str) -> None:
    assert isinstance(send({step: "451 4.3.0 Later"}), Transient)


@pytest.mark.parametrize("answer", [DROP, "garbage", "354 go on and on", "999 what"])
def test_without_a_clear_answer_to_the_message_nobody_knows(answer: str) -> None:
    error = send({"end": answer})
    assert isinstance(error, OutcomeUnknown)
    assert error.code == "email_outcome_unknown"


@pytest.mark.parametrize(("step", "expected"), [("greeting", Transient), ("rcpt", Transient), ("end", OutcomeUnknown)])
def test_a_server_that_hangs(monkeypatch: pytest.MonkeyPatch, step: str, expected: type[JobError]) -> None:
    monkeypatch.setattr(smtp, "SECONDS_PER_STEP", 0.2)
    monkeypatch.setattr(smtp, "SECONDS_FOR_THE_ANSWER", 0.2)
    assert isinstance(send({step: HANG}), expected)


def test_the_answer_to_a_message_may_take_longer_than_any_other(
    mail_catcher: MailCatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a note of how long answers are waited for
    waits: list[float | None] = []
    getreply = smtplib.SMTP.getreply

    def noted(server: smtplib.SMTP) -> tuple[int, bytes]:
        assert server.sock is not None
        waits.append(server.sock.gettimeout())
        return getreply(server)

    monkeypatch.setattr(smtplib.SMTP, "getreply", noted)
    mailer = SmtpMailer(mail_catcher.url)
    # When two messages are sent on one connection
    for _ in range(2):
        mailer.send(letter(), "kim@mail.example")
        # Then it is longest after DATA and at its end
        assert waits[-3:] == [smtp.SECONDS_PER_STEP, smtp.SECONDS_FOR_THE_ANSWER, smtp.SECONDS_FOR_THE_ANSWER]
    mailer.close()
    # And the slowest server that is begun with is through within the job's deadline
    steps = 5 * smtp.SECONDS_PER_STEP + smtp.SECONDS_FOR_THE_ANSWER
    deadlines = {kind.deadline_seconds for kind in KINDS.values() if kind.lane is Lane.EMAIL}
    assert {(1 - BEGIN_WITHIN) * deadline >= steps for deadline in deadlines} == {True}


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Transient) as failed:
        SmtpMailer(f"smtp://127.0.0.1:{port}").send(letter(), "kim@mail.example")
    assert failed.value.code == "smtp_unreachable"


def test_a_server_that_offers_no_encryption_when_it_is_required_gets_no_message() -> None:
    with scripted({}) as script, pytest.raises(Transient):
        SmtpMailer(f"smtp://127.0.0.1:{script.port}?starttls=require").send(letter(), "kim@mail.example")
    assert not [command for command in script.told if command.lower().startswith(("mail", "rcpt", "data"))]
    assert script.accepted == []


def test_a_server_that_takes_no_password_gets_no_message() -> None:
    with scripted({}) as script, pytest.raises(Transient):
        SmtpMailer(f"smtp://portal:pass%20word@127.0.0.1:{script.port}").send(letter(), "kim@mail.example")
    assert not [command for command in script.told if command.lower().startswith(("mail", "rcpt", "data"))]


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        (Behaviour(refuse={"kim@mail.example": "550 5.1.1 No such mailbox"}), Rejected),
        (Behaviour(refuse={"*": "450 4.2.1 Busy"}), Transient),
        (Behaviour(at_data="554 5.7.1 Spam"), Transient),
        (Behaviour(at_data="452 4.3.1 Full"), Transient),
        (Behaviour(silence="drop"), OutcomeUnknown),
    ],
)
def test_against_a_real_server(mail_catcher: MailCatcher, behaviour: Behaviour, expected: type[JobError]) -> None:
    mail_catcher.behave(behaviour)
    with pytest.raises(expected):
        SmtpMailer(mail_catcher.url).send(letter(), "kim@mail.example")


@pytest.mark.parametrize("url", ["", "mail.example:25", "http://mail.example", "smtp://", "smtp:///mail"])
def test_an_address_of_no_server_is_refused_by_name(url: str) -> None:
    with pytest.raises(SettingsError, match="SMTP_URL"):
        SmtpMailer(url)
