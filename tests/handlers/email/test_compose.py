"""The welcome message itself: text and HTML, names of any script, and nothing that a name could smuggle in."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser
from uuid import UUID

import pytest

from portal_db.states import ImportState
from tests.handlers.given import find, set_practice
from tests.world import World, is_importable_person
from xpm.simulator.serve import SimulatorHandle


class Reading(HTMLParser):
    """What a person sees of an HTML message, its tags, and where its links go."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.tags: set[str] = set()
        self.links: list[str | None] = []

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name == "href"]


def welcome(world: World, simulator: SimulatorHandle, name: str) -> EmailMessage:
    """The message that a client of this name gets."""
    return only_message(world, find(simulator, is_importable_person).uuid, name)


def only_message(world: World, record: UUID, name: str | None = None) -> EmailMessage:
    """The only message that was sent, to the client of this record."""
    row = world.run_import(record, name=name, send_welcome_email=True)
    assert row.state is ImportState.SUCCEEDED
    (delivery,) = world.mail.deliveries()
    content = (world.mail.mailbox.folder / delivery.file).read_bytes()
    message = message_from_bytes(content, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


def parts_of(message: EmailMessage) -> tuple[str, Reading]:
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert html is not None
    reading = Reading()
    reading.feed(html.get_content())
    return text.get_content(), reading


def test_it_comes_as_text_and_as_html(sqlite_world: World, simulator: SimulatorHandle) -> None:
    message = welcome(sqlite_world, simulator, "Ada Moss")
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    text, html = parts_of(message)
    (link,) = html.links
    assert link is not None
    assert link.startswith("http://127.0.0.1:8000/activate#")
    assert link in text
    for words in (text, html.text):
        assert "Ada Moss" in words
        assert "Harbour Accounting" in words
        assert "30 days" in words
    assert "Activate" in html.text
    assert message["From"] == "Client portal <no-reply@portal.example>"


@pytest.mark.parametrize(
    "name",
    [
        '<b>Ada</b> & "Bo" O\'Brien',
        "</p><script>alert(1)</script>",
        "{{ practice_name }} {% raw %}",
        "محمد حسن",
        "דוד כהן",
        "Zoë 🐾 Müller",
        "Tran ]]> &amp; Co",
    ],
)
def test_a_name_is_read_as_it_is_written(sqlite_world: World, simulator: SimulatorHandle, name: str) -> None:
    text, html = parts_of(welcome(sqlite_world, simulator, name))
    assert f"Hello {name}," in text
    assert f"Hello {name}," in html.text
    assert not html.tags & {"b", "script"}
    assert len(html.links) == 1


@pytest.mark.parametrize(
    "name", ["Ada " + "x" * 80, "Win at https://evil.example", "Ada\u202eeslaf"], ids=["long", "an address", "turned"]
)
def test_a_name_from_xpm_that_is_no_greeting_is_left_out(
    own_sqlite_world: World, own_simulator: SimulatorHandle, name: str
) -> None:
    record = find(own_simulator, is_importable_person)
    record.name = name
    text, html = parts_of(only_message(own_sqlite_world, record.uuid))
    for words in (text, html.text):
        assert "Hello," in words
        assert name not in words


@pytest.mark.parametrize("breaks", ["\r\n", "\n", "\r", "\u2028", "\x0b", "\x85"])
def test_a_practice_s_name_cannot_add_a_header(sqlite_world: World, simulator: SimulatorHandle, breaks: str) -> None:
    set_practice(sqlite_world, name=f"Harbour{breaks}Bcc: everybody@mail.example{breaks}{breaks}<p>Body")
    message = welcome(sqlite_world, simulator, "Ada Moss")
    assert message["Subject"].strip() == "Welcome to the client portal of Harbour Bcc: everybody@mail.example <p>Body"
    assert message["Bcc"] is None
    assert set(message.keys()) == {"Subject", "From", "To", "Message-ID", "MIME-Version", "Content-Type"}
    assert len(sqlite_world.mail.deliveries()) == 1


def test_a_practice_s_name_of_any_script_and_length_fits_the_subject(
    sqlite_world: World, simulator: SimulatorHandle
) -> None:
    name = "محاسبة & Söhne 🐾 " + "Harbour " * 20
    set_practice(sqlite_world, name=name)
    message = welcome(sqlite_world, simulator, "Ada Moss")
    assert message["Subject"].strip() == f"Welcome to the client portal of {name.strip()}"
