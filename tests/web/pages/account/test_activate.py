"""The page that the welcome email leads to."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from portal_db.states import Role
from tests.letters import body, letters
from tests.making import importable
from tests.web.desk import Desk
from tests.web.pages.frame.test_frame import keeps_the_rules
from tests.web.pages.people import imported
from tests.web.pages.reading import Page, Reader, reader, stranger
from xpm.simulator.serve import SimulatorHandle

PASSWORD = "nine slow boats at anchor"


def token_in_the_mail(desk: Desk) -> str:
    """The secret of the link in the newest welcome email."""
    found = re.search(r"https?://[^/\s]+/activate#(\S+)", body(letters(desk.world)[-1]))
    assert found is not None
    return found[1]


def opened(reader: Reader, token: str) -> Page:
    """The page that the link leads to. A browser's script sends the link's secret, or a person types it."""
    return reader.send(reader.open("/activate"), "/activate", token=token)


def test_a_client_activates_their_account_once(desk: Desk, simulator: SimulatorHandle) -> None:
    record, owner = importable(simulator)[0], reader(desk, desk.staff(Role.OWNER))
    imported(desk, record.uuid, send_welcome_email=True)
    saved = keeps_the_rules(owner.send(owner.open("/admin/terms"), "/admin/terms", text="Be <kind>."))
    assert "Saved." in saved.text
    client, token = stranger(desk), token_in_the_mail(desk)
    assert keeps_the_rules(client.open("/activate")).heading == "Activate your account"
    page = keeps_the_rules(opened(client, token))
    assert (page.heading, f"Welcome, {record.first_name}" in page.text, "Harbour Accounting" in page.text) == (
        "Activate your account", True, True
    )  # fmt: skip
    good = {"password": PASSWORD, "password_again": PASSWORD, "accept_terms": "yes"}
    for wrong, field in (
        ({"password_again": "other"}, "password_again"),
        ({"password": "short", "password_again": "short"}, "password"),
        ({"accept_terms": "no"}, "accept_terms"),
    ):
        again = keeps_the_rules(client.send(page, "/activate", **good | wrong))
        assert again.faults().keys() == {field}
        assert PASSWORD not in again.answer.text
    assert "Be <kind>." in page.text
    home = keeps_the_rules(client.send(page, "/activate", **good))
    assert (home.path, home.heading, "Your account is active." in home.text) == ("/my/tasks", "Your tasks", True)
    assert "Be <kind>." in keeps_the_rules(client.open("/my/terms")).text
    used = keeps_the_rules(opened(client, token))
    assert used.heading == "This account is already active"
    assert record.name not in used.text


def test_a_link_that_ended_and_one_that_never_was_are_told_alike(desk: Desk, simulator: SimulatorHandle) -> None:
    imported(desk, importable(simulator)[0].uuid, send_welcome_email=True)
    token = token_in_the_mail(desk)
    desk.world.pass_time(31 * 24 * 3600)
    ended, never = (opened(stranger(desk), each) for each in (token, "nothing"))
    assert ended.heading == never.heading == "This link has expired"
    assert ended.text == never.text


def test_a_strangers_page_activates_nothing(desk: Desk, simulator: SimulatorHandle) -> None:
    imported(desk, importable(simulator)[0].uuid, send_welcome_email=True)
    token = token_in_the_mail(desk)
    values = {"token": token, "password": PASSWORD, "password_again": PASSWORD, "accept_terms": "yes"}
    answer = desk.browser().post("/activate", data=values, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert opened(stranger(desk), token).heading == "Activate your account"


def test_a_link_of_an_earlier_release_works(desk: Desk, simulator: SimulatorHandle) -> None:
    """Its secret is in the address: it is put into the form, and out of the addresses that follow."""
    imported(desk, importable(simulator)[0].uuid, send_welcome_email=True)
    client, token = stranger(desk), token_in_the_mail(desk)
    page = keeps_the_rules(client.open(f"/activate/{token}"))
    good = {"password": PASSWORD, "password_again": PASSWORD, "accept_terms": "yes"}
    done = client.send(page, "/activate", **good)
    assert done.path == "/my/tasks"


def test_a_page_that_an_earlier_release_made_can_still_be_sent(desk: Desk, simulator: SimulatorHandle) -> None:
    """It runs beside this one during a deploy."""
    imported(desk, importable(simulator)[0].uuid, send_welcome_email=True)
    good = {"password": PASSWORD, "password_again": PASSWORD, "accept_terms": "yes"}
    assert stranger(desk).post(f"/activate/{token_in_the_mail(desk)}", good).path == "/my/tasks"


def test_no_address_that_a_server_sees_holds_the_secret_of_a_link(desk: Desk, simulator: SimulatorHandle) -> None:
    imported(desk, importable(simulator)[0].uuid, send_welcome_email=True)
    [link] = re.findall(r"https?://\S+", body(letters(desk.world)[-1]))
    assert urlsplit(link).fragment == token_in_the_mail(desk)
    assert (urlsplit(link).path, urlsplit(link).query) == ("/activate", "")


def test_terms_are_a_text_or_a_safe_link_and_set_by_owners(desk: Desk) -> None:
    owner, partner = reader(desk, desk.staff(Role.OWNER)), reader(desk, desk.staff(Role.PARTNER))
    at = "/admin/terms"
    page = owner.open(at)
    for wrong in (
        {"url": "javascript:alert(1)"},
        {"url": "http://a.example"},
        {"url": "https://a.example", "text": "Both"},
    ):
        assert keeps_the_rules(owner.send(page, at, **wrong)).faults().keys() == {"url"}
    token = partner.open("/clients").form("/sign-out")
    assert (partner.open(at).status, partner.post(at, {**token, "text": "Mine"}).status) == (403, 403)
    assert desk.world.scalar("SELECT count(*) FROM terms") == 0
