"""Clients > Client list."""

from __future__ import annotations

import io

import openpyxl

from handlers.access.confirmation import SECONDS
from portal_db.states import Role
from tests.making import importable
from tests.web.desk import PASSWORD, Desk
from tests.web.pages.frame.test_frame import keeps_the_rules
from tests.web.pages.people import connected
from tests.web.pages.reading import Page, reader
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
    rows = {next(row.all("a")).text: row.text for row in list(page.root.all("tr"))[1:]}
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


def names(page: Page) -> list[str]:
    return [link.text for link in page.main.all("a") if link["class"] == "name"]


def test_the_list_is_searched_narrowed_sorted_and_paged_both_ways(desk: Desk) -> None:
    person = desk.staff()
    for number in range(51):
        desk.entity(person, f"Reef {number:02}")
    desk.entity(person, "Other")
    visitor = reader(desk, person)
    query = {"q": "reef", "kind": "entity", "is_new": "yes"}
    page = keeps_the_rules(visitor.open("/clients", **query))
    assert query.items() <= page.form("/clients").items()
    assert (len(names(page)), "51 clients and entities match." in page.text) == (50, True)
    last = keeps_the_rules(visitor.open(page.links()["Next"]))
    assert (names(last), "51\u201351 of 51" in last.text) == (["Reef 00"], True)
    assert names(visitor.open(last.links()["Previous"])) == names(page)
    by_name = visitor.open(page.links()["Name"])
    assert names(by_name)[:2] == ["Reef 00", "Reef 01"]
    assert names(visitor.open(by_name.links()["Name"]))[0] == "Reef 50"
    few = visitor.open("/clients", **query, size="20", density="compact")
    assert (len(names(few)), few.form("/clients")["size"]) == (20, "20")
    assert "size=20" in few.links()["Next"]
    assert "density=compact" in few.links()["Next"]
    assert "No matching clients" in visitor.open("/clients", kind="individual").text
    assert "There is no such page" in visitor.open("/clients", page="9").text


def test_people_are_sorted_by_their_last_names(desk: Desk, simulator: SimulatorHandle) -> None:
    people = [person for person in importable(simulator) if person.last_name][:4]
    for person in people:
        desk.world.run_import(person.uuid, bring_details=False, bring_relationships=False)
    listed = names(connected(desk).open("/clients", order="name"))
    assert listed == sorted(
        listed, key=lambda name: [word.casefold() for word in (name.split()[-1], *name.split()[:-1])]
    )


def test_every_filter_narrows_the_list(any_desk: Desk, simulator: SimulatorHandle) -> None:
    desk = any_desk
    owner, (invited, plain, *_) = desk.staff(Role.OWNER), importable(simulator)
    desk.world.run_import(invited.uuid, name="Ann Invited", send_welcome_email=True, client_type="Business")
    desk.world.run_import(plain.uuid, name="Bo Plain")
    desk.entity(owner, "Reef Trust")
    visitor = reader(desk, owner)
    expected = {
        ("invitation", "invited"): {"Ann Invited"},
        ("invitation", "not_invited"): {"Bo Plain"},
        ("invitation", "active"): set[str](),
        ("type", "Business"): {"Ann Invited"},
        ("type", "Company"): {"Reef Trust"},
        ("connected", "no"): {"Reef Trust"},
        ("connected", "yes"): {"Ann Invited", "Bo Plain"},
        ("assigned", str(owner.staff_id)): {"Reef Trust"},
    }
    for (name, value), found in expected.items():
        assert set(names(visitor.open("/clients", **{name: value}))) == found, (name, value)


def test_ticked_clients_are_invited_imported_and_exported(desk: Desk, simulator: SimulatorHandle) -> None:
    people = importable(simulator)[:2]
    ids = [str(desk.world.run_import(person.uuid).client_id) for person in people]
    entity = str(desk.entity(desk.partner, "=Reef Trust"))
    visitor = connected(desk)
    page = visitor.open("/clients")
    form = page.form("/clients/chosen")
    # When all are invited, twice by a double click, each person gets one email, and the entity is left out with the reason
    for _ in range(2):
        done = Page.of(
            visitor.browser.post("/clients/chosen", data={**form, "act": "invite", "client": [*ids, entity]})
        )
    assert "2 invited." in keeps_the_rules(done).text
    assert "1 left out: An entity has no login, so there is nobody to invite." in done.text
    desk.world.run_due()
    assert len(desk.world.mail.mailbox.deliveries()) == 2
    # When their items are imported, the entity is not connected
    brought = Page.of(
        visitor.browser.post(
            "/clients/chosen", data={**done.form("/clients/chosen"), "act": "import", "client": [*ids, entity]}
        )
    )
    assert ("2 being imported." in brought.text, "1 left out:" in brought.text) == (True, True)
    # When the entity is exported, its name is no formula
    csv = visitor.browser.post("/clients/chosen", data={**form, "act": "csv", "client": [entity]})
    assert csv.headers["content-type"].startswith("text/csv")
    assert csv.text.splitlines()[1].startswith('"\'=Reef Trust","entity","Company"')
    # Others act on nothing of theirs
    stranger = reader(desk, desk.other_practice())
    token = stranger.open("/clients").form("/sign-out")
    refused = Page.of(stranger.browser.post("/clients/chosen", data={**token, "act": "invite", "client": ids}))
    assert "2 left out:" in refused.text


def test_the_list_is_exported_as_it_is_narrowed(desk: Desk) -> None:
    for name in ("=1+1", "Reef"):
        desk.entity(desk.partner, name)
    visitor = connected(desk)
    page = visitor.open("/clients", q="reef")
    csv = visitor.browser.get(page.links()["CSV"])
    assert [line.split(",")[0] for line in csv.text.splitlines()] == ['"Name"', '"Reef"']
    book = openpyxl.load_workbook(io.BytesIO(visitor.browser.get("/clients/export.xlsx").content))
    cells = {row[0].value: row[0].data_type for row in book.worksheets[0].iter_rows()}
    assert cells == {"Name": "s", "=1+1": "s", "Reef": "s"}


def test_who_only_looks_sees_no_way_to_add_and_an_empty_list_says_what_to_do(desk: Desk) -> None:
    looking, adding = (reader(desk, desk.staff(role)).open("/clients") for role in (Role.BASIC, Role.MANAGER))
    assert "No clients yet" in looking.text
    assert "From Xero Practice Manager" not in looking.links()
    assert "Add clients" not in looking.text
    assert adding.links()["From Xero Practice Manager"] == "/clients/add/xpm"


def test_filters_are_saved_by_name_for_oneself(desk: Desk, simulator: SimulatorHandle) -> None:
    visitor, other = connected(desk), reader(desk, desk.staff(Role.PARTNER))
    desk.world.run_import(importable(simulator)[0].uuid)
    page = visitor.open("/clients", invitation="not_invited", order="name")
    done = keeps_the_rules(visitor.send(page, "/clients/filters", name="Not invited yet"))
    assert "The filter is saved" in done.text
    address = visitor.open("/clients").links()["Not invited yet"]
    again = visitor.open(address)
    assert (again.answer.url.params["invitation"], again.answer.url.params["order"]) == ("not_invited", "name")
    assert "Not invited yet" not in other.open("/clients").text
    # Saved under the same name it is replaced; without a name it is not saved
    visitor.send(visitor.open("/clients", kind="entity"), "/clients/filters", name="Not invited yet")
    assert visitor.open("/clients").links()["Not invited yet"] == "/clients?kind=entity"
    assert visitor.send(visitor.open("/clients", kind="individual"), "/clients/filters", name=" ").faults() != {}
    # Others cannot remove it
    forms = visitor.open("/clients?kind=entity").main.all("form")
    removal = next(form["action"] for form in forms if "removal" in form["action"])
    token = {"csrf_token": other.open("/clients").form("/sign-out")["csrf_token"]}
    other.post(removal, token)
    page = visitor.open("/clients?kind=entity")
    assert "Not invited yet" in page.links()
    assert "Not invited yet" not in visitor.send(page, removal).links()


def test_clients_are_exported_by_who_confirmed_that_it_is_them(desk: Desk) -> None:
    desk.entity(desk.partner, "Reef")
    visitor = connected(desk)
    page = visitor.open("/clients", q="reef")
    desk.world.pass_time(SECONDS + 1)
    # When they export after ten minutes, ticked clients or the list, they are asked
    ticked = visitor.send(page, "/clients/chosen", act="csv")
    assert ticked.path == "/confirm"
    asked = keeps_the_rules(visitor.open(page.links()["CSV"]))
    assert (asked.path, "Reef" in asked.text) == ("/confirm", False)
    # And come back to the list that they exported
    back = keeps_the_rules(visitor.send(asked, "/confirm", given=PASSWORD))
    assert (back.path, names(back), "Confirmed." in back.text) == ("/clients", ["Reef"], True)
    assert '"Reef"' in visitor.browser.get(page.links()["CSV"]).text
