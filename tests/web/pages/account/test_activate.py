"""The page that the welcome email leads to."""

from __future__ import annotations

import re
from email import message_from_bytes, policy

from tests.making import importable
from tests.web.desk import Desk
from tests.web.pages.frame.test_frame import keeps_the_rules
from tests.web.pages.people import imported
from tests.web.pages.reading import stranger
from xpm.simulator.serve import SimulatorHandle

PASSWORD = "nine slow boats at anchor"


def link_in_the_mail(desk: Desk) -> str:
    """The path of the link in the newest welcome email."""
    file = desk.world.mail.mailbox.folder / desk.world.mail.deliveries()[-1].file
    body = message_from_bytes(file.read_bytes(), policy=policy.default).get_body(("plain",))
    assert body is not None
    found = re.search(r"https?://[^/\s]+(/activate/\S+)", body.get_content())
    assert found is not None
    return found[1]


def test_a_client_activates_their_account_once(desk: Desk, simulator: SimulatorHandle) -> None:
    record = importable(simulator)[0]
    imported(desk, record.uuid, send_welcome_email=True)
    client, path = stranger(desk), link_in_the_mail(desk)
    page = keeps_the_rules(client.open(path))
    assert (page.heading, f"Welcome, {record.first_name}" in page.text, "Harbour Accounting" in page.text) == (
        "Activate your account", True, True
    )  # fmt: skip
    good = {"password": PASSWORD, "password_again": PASSWORD, "accept_terms": "yes"}
    for wrong, field in (
        ({"password_again": "other"}, "password_again"),
        ({"password": "short", "password_again": "short"}, "password"),
        ({"accept_terms": "no"}, "accept_terms"),
    ):
        again = keeps_the_rules(client.send(page, path, **good | wrong))
        assert again.faults().keys() == {field}
        assert PASSWORD not in again.answer.text
    assert client.send(page, path, **good).heading == "Your account is active"
    used = keeps_the_rules(client.open(path))
    assert used.heading == "This account is already active"
    assert record.name not in used.text


def test_a_link_that_ended_and_one_that_never_was_are_told_alike(desk: Desk, simulator: SimulatorHandle) -> None:
    imported(desk, importable(simulator)[0].uuid, send_welcome_email=True)
    path = link_in_the_mail(desk)
    desk.world.pass_time(31 * 24 * 3600)
    ended, never = (stranger(desk).open(address) for address in (path, "/activate/nothing"))
    assert ended.heading == never.heading == "This link has expired"
    assert ended.text == never.text


def test_a_strangers_page_activates_nothing(desk: Desk, simulator: SimulatorHandle) -> None:
    imported(desk, importable(simulator)[0].uuid, send_welcome_email=True)
    path = link_in_the_mail(desk)
    values = {"password": PASSWORD, "password_again": PASSWORD, "accept_terms": "yes"}
    answer = desk.browser().post(path, data=values, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert stranger(desk).open(path).heading == "Activate your account"
