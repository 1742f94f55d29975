"""A client's page, and what can be done from there: connect, disconnect, invite, send a task."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from portal_db.states import Role
from tests.making import importable
from tests.web.desk import Desk
from tests.web.pages.clients.test_list import HOSTILE
from tests.web.pages.frame.test_frame import keeps_the_rules
from tests.web.pages.people import a_company, connected, imported
from tests.web.pages.reading import Page, reader
from xpm.simulator.serve import SimulatorHandle

FORMS = ("connect", "disconnect", "import-items", "invite", "tasks/new", "connections/new")


def test_details_are_told_with_their_source(desk: Desk, simulator: SimulatorHandle) -> None:
    visitor, record = connected(desk), importable(simulator)[0]
    client_id = imported(desk, record.uuid, name="As we call them")
    page = keeps_the_rules(visitor.open(f"/clients/{client_id}"))
    assert page.heading == "As we call them"
    facts = {item.text: next(item.parent.all("dd")).text for item in page.root.all("dt") if item.parent}
    assert "Edited when added; not overwritten by XPM" in facts["Name"]
    assert f"{record.email} Xero Practice Manager" in facts["Contact email"]
    assert page.links()["Added to the portal"].startswith("/imports/")


def test_a_client_is_new_until_somebody_it_is_assigned_to_opens_it(desk: Desk) -> None:
    client_id = desk.entity(desk.partner)
    partner, owner = connected(desk), reader(desk, desk.staff(Role.OWNER))
    # When the practice's owner, who sees all clients, opens it, it stays new for the person who works with it
    owner.open(f"/clients/{client_id}")
    assert "Blue Reef" in partner.open("/clients", is_new="yes").text
    # When that person opens it, they see that it is, and then it is not any more
    assert "New" in badges(partner.open(f"/clients/{client_id}"))
    assert "New" not in badges(partner.open(f"/clients/{client_id}"))
    assert "Blue Reef" not in partner.open("/clients", is_new="yes").text


def test_a_client_is_new_for_14_days_at_most(desk: Desk) -> None:
    desk.entity(desk.partner)
    desk.world.pass_time(14 * 86_400 - 600)
    assert "Blue Reef" in connected(desk).open("/clients", is_new="yes").text
    desk.world.pass_time(700)
    page = connected(desk).open("/clients")
    assert ("Blue Reef" in page.text, "New" in badges(page)) == (True, False)


def test_the_history_says_who_and_how(desk: Desk, simulator: SimulatorHandle) -> None:
    client_id = imported(desk, importable(simulator)[0].uuid)
    path = f"/clients/{client_id}"
    partner = connected(desk)
    asked = partner.open(f"{path}/disconnect")
    partner.send(asked, f"{path}/disconnect")
    mine, theirs = partner.open(path), reader(desk, desk.staff(Role.OWNER)).open(path)
    assert ("by you" in history_of(mine), "by you (import)" in history_of(mine)) == (True, True)
    assert ("by Kim" in history_of(theirs), "by Kim (import)" in history_of(theirs)) == (True, True)
    assert "by staff" not in mine.text + theirs.text


def badges(page: Page) -> list[str]:
    return [item.text for item in page.main.all("span") if item["class"].startswith("badge")]


def history_of(page: Page) -> str:
    return next(item.text for item in page.main.all("section") if item["aria-labelledby"] == "history")


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text_on_every_page_of_a_client(desk: Desk, name: str) -> None:
    client_id = desk.entity(desk.partner, name)
    visitor = connected(desk)
    for path in ("", *(f"/{form}" for form in FORMS)):
        page = keeps_the_rules(visitor.open(f"/clients/{client_id}{path}"))
        assert name in {item.text for item in page.root.all("bdi")}, path
        assert not list(page.main.all("script", "img"))


def test_a_client_is_connected_by_linking_it_to_an_account_and_disconnected_again(
    desk: Desk, simulator: SimulatorHandle
) -> None:
    visitor, record = connected(desk), a_company(simulator)
    client_id = desk.entity(desk.partner)
    path = f"/clients/{client_id}"
    offered = visitor.open(visitor.open(path).links()["Connect"])
    assert "Link to existing account" in offered.text
    found = keeps_the_rules(visitor.open(f"{path}/connect", q=record.name))
    assert str(record.uuid) in {item["value"] for item in found.root.all("input") if item["name"] == "record"}
    chosen = keeps_the_rules(visitor.open(f"{path}/connect", q=record.name, record=str(record.uuid)))
    assert "Account to link" in chosen.text
    done = visitor.send(chosen, f"{path}/connect")
    assert (done.path, "You can now import items." in done.text) == (path, True)
    again = visitor.send(chosen, f"{path}/connect")
    assert (again.status, "Already connected" in again.text) == (409, True)
    asked = keeps_the_rules(visitor.open(visitor.open(path).links()["Disconnect client"]))
    cut = visitor.send(asked, f"{path}/disconnect")
    assert (cut.path, "Everything already imported stays." in cut.text) == (path, True)
    assert visitor.send(asked, f"{path}/disconnect").path == path
    assert "Not connected" in visitor.open(f"{path}/import-items").text


def test_an_invitation_is_sent_once_for_each_time_the_page_is_opened(desk: Desk, simulator: SimulatorHandle) -> None:
    visitor = connected(desk)
    client_id = imported(desk, importable(simulator)[0].uuid)
    path = f"/clients/{client_id}/invite"
    asked = keeps_the_rules(visitor.open(visitor.open("/clients").links()["Send invitation"]))
    assert asked.path == path
    for _ in range(2):
        assert visitor.send(asked, path).path == f"/clients/{client_id}"
    desk.world.run_due()
    assert len(desk.world.mail.deliveries()) == 1
    assert "Invited" in visitor.open(f"/clients/{client_id}").text


def test_an_entity_gets_a_connection_and_then_a_task(desk: Desk) -> None:
    visitor = connected(desk)
    client_id = desk.entity(desk.partner)
    path = f"/clients/{client_id}"
    first = keeps_the_rules(visitor.open(f"{path}/tasks/new"))
    assert "Add a connection first" in first.text
    form = keeps_the_rules(visitor.open(first.links()["Add a connection"]))
    without = visitor.send(form, f"{path}/connections/new", name="Jo Reef", access="guest")
    assert without.faults().keys() == {"relationship"}
    assert without.form(f"{path}/connections/new")["name"] == "Jo Reef"
    task = visitor.send(without, f"{path}/connections/new", relationship="Director", email="jo@reef.example")
    assert (task.path, task.heading) == (f"{path}/tasks/new", "Send a task")
    visitor.send(without, f"{path}/connections/new", relationship="Director", email="jo@reef.example")
    assert visitor.open(path).text.count("Jo Reef") == 1
    late = keeps_the_rules(visitor.send(task, f"{path}/tasks/new", title="Sign here", due_date="2020-01-01"))
    assert late.faults().keys() == {"due_date"}
    sent = visitor.send(late, f"{path}/tasks/new", due_date="")
    twice = visitor.send(late, f"{path}/tasks/new", due_date="")
    assert sent.path == twice.path == path
    assert twice.text.count("Sign here") == 1


def test_tabs_name_the_client_and_what_is_done(desk: Desk) -> None:
    visitor, client_id = connected(desk), desk.entity(desk.partner)
    titles = [
        title(visitor.open(f"/clients/{client_id}{path}")) for path in ("", *(f"/{form}" for form in FORMS), "/review")
    ]
    assert len(set(titles)) == len(titles)
    assert all("Blue Reef Pty Ltd" in each for each in titles), titles
    assert "(not connected)" in titles[0]


def title(page: Page) -> str:
    return next(page.root.all("title")).text


def test_clients_of_another_practice_are_not_there(desk: Desk) -> None:
    theirs = desk.entity(desk.partner)
    visitor = reader(desk, desk.other_practice())
    token = visitor.open("/clients").form("/sign-out")["csrf_token"]
    for client_id in (theirs, uuid4()):
        assert visitor.open(f"/clients/{client_id}").status == 404
        for form in FORMS:
            assert visitor.open(f"/clients/{client_id}/{form}").status == 404, form
            assert visitor.post(f"/clients/{client_id}/{form}", filled(token)).status == 404, form


def test_who_only_looks_is_offered_nothing_and_refused(desk: Desk) -> None:
    person = desk.staff(Role.BASIC)
    client_id = desk.entity(person)
    visitor = reader(desk, person)
    page = keeps_the_rules(visitor.open(f"/clients/{client_id}"))
    token = page.form("/sign-out")["csrf_token"]
    for form in FORMS:
        address = f"/clients/{client_id}/{form}"
        assert address not in page.links().values()
        assert visitor.open(address).status == 403, form
        assert visitor.post(address, filled(token)).status == 403, form


def test_a_form_without_the_sessions_token_does_nothing(desk: Desk) -> None:
    visitor = connected(desk)
    client_id = desk.entity(desk.partner)
    for form in FORMS:
        assert visitor.post(f"/clients/{client_id}/{form}", filled("0" * 64)).status == 403, form


def filled(token: str) -> dict[str, str]:
    """Every form of a client, filled in."""
    values = {"title": "x", "name": "x", "relationship": "x", "record": str(UUID(int=1)), "details": "yes"}
    return {**values, "csrf_token": token, "idempotency_key": uuid4().hex}
