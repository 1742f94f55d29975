"""Clients > Client list."""

from __future__ import annotations

from portal_db.states import Role
from tests.making import importable
from tests.web.desk import Desk
from tests.web.pages.frame.test_frame import keeps_the_rules
from tests.web.pages.reading import reader
from xpm.simulator.serve import SimulatorHandle

HOSTILE = (
    '<script>alert("x")</script>',
    "\"><img src=x onerror=alert(1)> & 'Söhne'",
    "شركة البحر الأحمر",
    "Rocket 🚀 {{ 7 * 7 }} {% raw %}",
)


def test_the_list_shows_marks_invitations_and_connections(desk: Desk, simulator: SimulatorHandle) -> None:
    owner = reader(desk, desk.staff(Role.OWNER))
    people = importable(simulator)
    desk.world.run_import(people[0].uuid, send_welcome_email=True)
    desk.world.run_import(people[1].uuid)
    desk.entity(desk.partner, "Blue Reef Pty Ltd")
    page = keeps_the_rules(owner.open("/clients"))
    rows = {row.text.split(" New")[0]: row.text for row in list(page.root.all("tr"))[1:]}
    assert "Company" in rows["Blue Reef Pty Ltd"]
    assert "No login" in rows["Blue Reef Pty Ltd"]
    assert "Not connected" in rows["Blue Reef Pty Ltd"]
    assert "Invited" in rows[people[0].name]
    assert "Not invited" in rows[people[1].name]
    assert "Connected" in rows[people[1].name]


def test_names_are_shown_as_they_are_and_are_never_markup(desk: Desk) -> None:
    person = desk.staff()
    for name in HOSTILE:
        desk.entity(person, name)
    page = keeps_the_rules(reader(desk, person).open("/clients"))
    assert {item.text for item in page.main.all("bdi")} >= set(HOSTILE)
    assert not list(page.main.all("script", "img"))


def test_the_list_is_searched_narrowed_and_paged(desk: Desk) -> None:
    person = desk.staff()
    for number in range(51):
        desk.entity(person, f"Reef {number:02}")
    desk.entity(person, "Other")
    visitor = reader(desk, person)
    page = visitor.open("/clients", q="reef", kind="entity", is_new="yes")
    assert page.form("/clients") == {"q": "reef", "kind": "entity", "is_new": "yes"}
    assert len(list(page.root.all("tr"))) == 1 + 50
    older = visitor.open(page.links()["Older clients"])
    assert [row.text[:7] for row in list(older.root.all("tr"))[1:]] == ["Reef 00"]
    assert "No matching clients" in visitor.open("/clients", kind="individual").text


def test_who_only_looks_sees_no_way_to_add_and_an_empty_list_says_what_to_do(desk: Desk) -> None:
    looking, adding = (reader(desk, desk.staff(role)).open("/clients") for role in (Role.BASIC, Role.MANAGER))
    assert "No clients yet" in looking.text
    assert "From Xero Practice Manager" not in looking.links()
    assert "Add clients" not in looking.text
    assert adding.links()["From Xero Practice Manager"] == "/clients/add/xpm"
