"""The mail catcher: it records what was delivered, and misbehaves exactly as it was told to."""

import json
import smtplib
import sys
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pydantic import ValidationError

from worker.local.mail_catcher import Behaviour, MailCatcher, catching
from worker.local.processes import LOOPBACK, Supervised, free_port, port_open


def message(message_id: str = "<welcome-1@portal.example>", subject: str = "Welcome to Kōwhai & Co") -> EmailMessage:
    email = EmailMessage()
    email["Message-ID"], email["Subject"] = message_id, subject
    email["From"], email["To"] = "portal@portal.example", "mere@client.example"
    email.set_content("Kia ora Mere,\n.a line that starts with a dot\n")
    return email


def send(url: str, email: EmailMessage, *recipients: str, timeout: float = 10) -> None:
    address = urlsplit(url)
    with smtplib.SMTP(str(address.hostname), address.port or 0, timeout=timeout) as client:
        client.send_message(email, to_addrs=recipients or ("mere@client.example",))


def test_a_message_is_kept_whole_and_recorded(mail_catcher: MailCatcher) -> None:
    before = datetime.now(UTC)
    send(mail_catcher.url, message())

    (delivery,) = mail_catcher.deliveries()
    assert delivery.recipient == "mere@client.example"
    assert delivery.message_id == "<welcome-1@portal.example>"
    assert delivery.subject == "Welcome to Kōwhai & Co"
    assert before <= delivery.at <= datetime.now(UTC)
    content = (mail_catcher.mailbox.folder / delivery.file).read_bytes()
    assert b"\r\n.a line that starts with a dot\r\n" in content
    assert delivery.size == len(content)


def test_each_recipient_is_one_delivery_of_one_file(mail_catcher: MailCatcher) -> None:
    send(mail_catcher.url, message(), "mere@client.example", "tane@client.example")
    assert [delivery.recipient for delivery in mail_catcher.deliveries()] == [
        "mere@client.example",
        "tane@client.example",
    ]
    assert len({delivery.file for delivery in mail_catcher.deliveries()}) == 1


def test_files_are_numbered_and_the_same_message_has_the_same_hash(mail_catcher: MailCatcher) -> None:
    for message_id in ("<1@portal.example>", "<2@portal.example>", "<1@portal.example>"):
        send(mail_catcher.url, message(message_id))
    files = [delivery.file.removesuffix(".eml").split("-") for delivery in mail_catcher.deliveries()]
    assert [number for number, _ in files] == ["000001", "000002", "000003"]
    assert files[0][1] == files[2][1] != files[1][1]


def test_a_catcher_goes_on_where_the_last_one_stopped(tmp_path: Path) -> None:
    for _ in range(2):
        with catching(tmp_path) as catcher:
            send(catcher.url, message())
    assert [delivery.file[:7] for delivery in catcher.deliveries()] == ["000001-", "000002-"]


def test_a_refused_recipient_gets_nothing_while_others_do(mail_catcher: MailCatcher) -> None:
    mail_catcher.behave(Behaviour(refuse={"tane@client.example": "550 5.1.1 No such mailbox"}))
    send(mail_catcher.url, message(), "mere@client.example", "Tane@client.example")
    assert [delivery.recipient for delivery in mail_catcher.deliveries()] == ["mere@client.example"]


def test_all_recipients_can_be_refused_for_now(mail_catcher: MailCatcher) -> None:
    mail_catcher.behave(Behaviour(refuse={"*": "450 4.2.1 Mailbox busy"}))
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        send(mail_catcher.url, message())
    assert refused.value.recipients == {"mere@client.example": (450, b"4.2.1 Mailbox busy")}
    assert mail_catcher.deliveries() == []


@pytest.mark.parametrize("reply", ["451 4.3.0 Try again later", "554 5.7.1 Rejected"])
def test_a_whole_message_can_be_refused(mail_catcher: MailCatcher, reply: str) -> None:
    mail_catcher.behave(Behaviour(at_data=reply))
    with pytest.raises(smtplib.SMTPDataError) as refused:
        send(mail_catcher.url, message())
    assert (refused.value.smtp_code, refused.value.smtp_error) == (int(reply[:3]), reply[4:].encode())
    assert mail_catcher.deliveries() == []


@pytest.mark.parametrize("kept", [True, False])
def test_the_connection_can_drop_before_the_answer(mail_catcher: MailCatcher, kept: bool) -> None:
    mail_catcher.behave(Behaviour(silence="drop", keep_silenced=kept))
    with pytest.raises(smtplib.SMTPServerDisconnected):
        send(mail_catcher.url, message())
    assert len(mail_catcher.deliveries()) == kept


@pytest.mark.parametrize("kept", [True, False])
def test_the_answer_can_be_left_out(mail_catcher: MailCatcher, kept: bool) -> None:
    mail_catcher.behave(Behaviour(silence="hang", keep_silenced=kept))
    with pytest.raises((TimeoutError, smtplib.SMTPServerDisconnected)):
        send(mail_catcher.url, message(), timeout=0.5)
    assert len(mail_catcher.deliveries()) == kept


def test_a_behaviour_ends_when_it_is_taken_back(mail_catcher: MailCatcher) -> None:
    mail_catcher.behave(Behaviour(at_data="451 4.3.0 Try again later"))
    with pytest.raises(smtplib.SMTPDataError):
        send(mail_catcher.url, message())
    mail_catcher.behave(Behaviour())
    send(mail_catcher.url, message())
    assert len(mail_catcher.deliveries()) == 1


@pytest.mark.parametrize("wrong", [{"silense": "drop"}, {"at_data": "250 OK"}, {"refuse": {"*": "no"}}])
def test_a_behaviour_that_is_not_one_is_an_error(tmp_path: Path, wrong: dict[str, object]) -> None:
    (tmp_path / "behaviour.json").write_text(json.dumps(wrong))
    with pytest.raises(ValidationError):
        Behaviour.of(tmp_path)


def test_it_runs_as_a_process(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "worker.local.mail_catcher", "--port", str(port), "--dir", str(tmp_path / "mail")]
    with Supervised(tmp_path / "logs") as processes:
        process = processes.start("mail", command, ready=port_open(port))
        url = f"smtp://{LOOPBACK}:{port}"
        send(url, message())
        processes.stop("mail")
        assert process.exit_code == 0
    assert len((tmp_path / "mail" / "deliveries.jsonl").read_text().splitlines()) == 1


def test_each_misdeed_is_noted(mail_catcher: MailCatcher) -> None:
    mail_catcher.behave(Behaviour(refuse={"*": "451 4.3.0 Later"}))
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(mail_catcher.url, message())
    mail_catcher.behave(Behaviour(at_data="451 4.3.0 Later"))
    with pytest.raises(smtplib.SMTPDataError):
        send(mail_catcher.url, message())
    mail_catcher.behave(Behaviour(silence="drop"))
    with pytest.raises(smtplib.SMTPServerDisconnected):
        send(mail_catcher.url, message())
    mail_catcher.behave(Behaviour())
    send(mail_catcher.url, message())
    assert [one.did for one in mail_catcher.mailbox.misdeeds()] == ["refused", "refused at data", "drop"]
    assert {one.recipients[0] for one in mail_catcher.mailbox.misdeeds()} == {"mere@client.example"}
