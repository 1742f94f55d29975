"""The article's second way: + Advanced search, with the integration ticked, and Import on what exists only in XPM."""

from __future__ import annotations

from sqlalchemy import delete, update

from config.folding import fold_name
from handlers.access.caller import Caller, Scope
from handlers.directory import search
from portal_db.states import Role
from portal_db.tables import ClientVisibility, XpmLink
from portal_db.types import db_now
from tests.handlers.directory.given import synced
from tests.handlers.given import change
from tests.making import importable
from tests.web.desk import Desk
from tests.web.pages.frame.test_frame import keeps_the_rules
from tests.web.pages.people import connected, imported, with_a_typing_error
from tests.web.pages.reading import Page, reader
from tests.world import TENANT, is_importable_person
from xpm.simulator.serve import SimulatorHandle


def under_headings(page: Page) -> dict[str, str]:
    """What stands under each of the results' headings."""
    results = next(item for item in page.root.all("div") if item["id"] == "results")
    found: dict[str, str] = {}
    heading = ""
    for item in results.all("h2", "ul", "p"):
        if item.tag == "h2":
            heading = item.text
        elif item.tag == "ul" or not found.get(heading):
            found[heading] = item.text
    return found


def test_both_headings_and_the_way_to_import(desk: Desk, simulator: SimulatorHandle) -> None:
    visitor, (known, other, *_) = connected(desk), importable(simulator)
    desk.world.run_import(known.uuid)
    panel = visitor.open("/clients")
    assert panel.form("/search") == {"q": ""}
    ticked = {"q": other.name, "integration": "xpm"}
    page = keeps_the_rules(visitor.open("/search", **ticked))
    assert "No clients in your portal" in under_headings(page)["MP clients"]
    assert other.name in under_headings(page)["Xero Practice Manager"]
    window = visitor.open(page.links()[f"Import {other.name}"])
    added = visitor.send(window, window.path, send_welcome_email="no")
    desk.world.run_due()
    assert visitor.open(added.path).heading == f"{other.name} has been added"
    after = under_headings(visitor.open("/search", **ticked))
    assert other.name in after["MP clients"]  # shown once, as the portal's client
    assert "No one else in XPM" in after["Xero Practice Manager"]


def test_what_is_found_but_for_a_typing_error_is_said_to_be_a_guess(any_desk: Desk, simulator: SimulatorHandle) -> None:
    desk, (typed, record) = any_desk, with_a_typing_error(simulator)
    synced(desk.world)
    visitor = connected(desk)
    ticked = {"integration": "xpm"}
    page = keeps_the_rules(visitor.open("/search", q=typed, **ticked))
    assert "No exact match; did you mean:" in page.text
    assert record.name in under_headings(page)["Xero Practice Manager"]
    assert "No exact match" not in visitor.open("/search", q=record.name, **ticked).text
    # And so is a client in their list
    imported(desk, record.uuid)
    assert "No exact match" in keeps_the_rules(visitor.open("/clients", q=typed)).text
    assert "No exact match" not in visitor.open("/clients", q=record.name).text


def test_a_client_is_found_by_its_code_everywhere_and_by_its_own_practice_only(
    any_desk: Desk, simulator: SimulatorHandle
) -> None:
    desk, (known, other, *_) = any_desk, importable(simulator)
    change(simulator, known.uuid, client_code="QQX0001")
    change(simulator, other.uuid, client_code="QQX0002")
    synced(desk.world)
    imported(desk, known.uuid)
    visitor, stranger = connected(desk), reader(desk, desk.other_practice())
    for typed in ("qqx0001", "QQX"):
        assert known.name in keeps_the_rules(visitor.open("/clients", q=typed)).text
        assert known.name not in stranger.open("/clients", q=typed).text
    found = under_headings(keeps_the_rules(visitor.open("/search", q="qqx", integration="xpm")))
    assert known.name in found["MP clients"]
    assert other.name in found["Xero Practice Manager"]
    assert "QQX0002" in found["Xero Practice Manager"]
    # A client that was disconnected from XPM has no code any longer
    with desk.world.database.write() as tx:
        tx.session.execute(update(XpmLink).values(disconnected_at=db_now()))
    assert known.name not in visitor.open("/clients", q="qqx").text


def test_xpm_is_searched_only_if_it_is_ticked(desk: Desk, simulator: SimulatorHandle) -> None:
    visitor, record = connected(desk), importable(simulator)[0]
    page = visitor.open("/search", q=record.name)
    assert under_headings(page).keys() == {"MP clients"}
    assert "integration" not in page.form("/search")
    assert visitor.open("/search", q=record.name, integration="xpm").form("/search")["integration"] == "xpm"


def test_xpm_is_listed_as_soon_as_it_is_ticked(any_desk: Desk, simulator: SimulatorHandle) -> None:
    desk = any_desk
    visitor, taken = connected(desk), importable(simulator)[0]
    # Before the directory is filled there is nothing to list
    assert "Type at least two letters." in keeps_the_rules(visitor.open("/search", integration="xpm")).text
    synced(desk.world)
    desk.world.run_import(taken.uuid)
    page = keeps_the_rules(visitor.open("/search", integration="xpm"))
    listed = under_headings(page)
    [heading] = listed
    assert heading.startswith("Xero Practice Manager (first 20 of ")
    assert taken.name not in listed[heading]
    names = [item.text for item in page.main.all("a") if item["class"] == "name"]
    assert names == sorted(names, key=fold_name)
    # It is remembered, and typing searches as before
    assert "first 20 of" in visitor.open("/search").text
    assert "MP clients" in under_headings(visitor.open("/search", q=taken.name))


def test_clients_are_found_by_their_login_email(any_desk: Desk, simulator: SimulatorHandle) -> None:
    desk, visitor = any_desk, connected(any_desk)
    record = importable(simulator)[0]
    desk.world.run_import(record.uuid, email="Gwen.Mitchell@mail.example")
    for text in ("gwen.mitchell@", "@MAIL.example"):
        assert record.name in under_headings(visitor.open("/search", q=text))["MP clients"]
        assert record.name in visitor.open("/clients", q=text).main.text
    assert record.name not in reader(desk, desk.other_practice()).open("/clients", q="gwen.mitchell@").main.text


def test_the_portal_answers_while_xpm_cannot_and_says_so(desk: Desk) -> None:
    visitor, person = reader(desk, staff := desk.staff(Role.MANAGER)), staff
    desk.entity(person, "Reef <b>")
    page = keeps_the_rules(visitor.open("/search", q="reef", integration="xpm"))
    assert "Reef <b>" in under_headings(page)["MP clients"]
    assert "is unavailable right now" in page.text
    assert "integration" not in page.form("/search")  # there is no box for what is not connected
    assert page.links()["Configure > Integrations"] == "/configure/integrations"


def test_who_only_looks_finds_clients_and_is_offered_no_import(desk: Desk) -> None:
    person = desk.staff(Role.BASIC)
    desk.entity(person, "Reef")
    page = keeps_the_rules(reader(desk, person).open("/search", q="reef", integration="xpm"))
    assert "Reef" in under_headings(page)["MP clients"]
    assert not [text for text in page.links() if text.startswith("Import")]


def test_the_drop_down_gets_the_same_results(desk: Desk, simulator: SimulatorHandle) -> None:
    visitor, record = connected(desk), importable(simulator)[0]
    part = visitor.open("/search/results", q=record.name, integration="xpm")
    assert {"MP clients", "Xero Practice Manager"} == {item.text for item in part.root.all("h2")}
    assert visitor.open("/search/results", q="a").root.text == ""
    assert not list(part.root.all("html"))


def test_the_totals_are_true_and_the_rest_is_offered(any_desk: Desk, simulator: SimulatorHandle) -> None:
    desk = any_desk
    synced(desk.world)
    for number in range(30):
        desk.entity(desk.partner, f"Anchor {number:02}")
    visitor = connected(desk)
    query = {"q": "an", "integration": "xpm"}
    records = [record for record in simulator.simulator.practices[TENANT].clients.values() if not record.is_deleted]
    matching = [record for record in records if "an" in fold_name(record.name)]
    # Given clients that are linked to matching records, whatever they are called themselves
    for record in [each for each in matching if is_importable_person(each)][:2]:
        imported(desk, record.uuid, name="Zoe", email=f"{record.uuid}@x.example")
    page = keeps_the_rules(visitor.open("/search", **query))
    status = next(item["data-status"] for item in page.root.all("div") if item["data-status"])
    assert status == f"32 in your portal, {len(matching) - 2} only in Xero Practice Manager."
    assert "MP clients (first 25 of 32)" in under_headings(page)
    more = keeps_the_rules(visitor.open(page.links()["Show more"]))
    assert "MP clients" in under_headings(more)
    assert under_headings(more)["MP clients"].count("Anchor") == 30
    assert len([item for item in more.root.all("li") if item["class"] == "result"]) == 30 + len(matching)


def test_the_tick_is_remembered(desk: Desk) -> None:
    visitor = connected(desk)
    assert "integration" not in visitor.open("/clients").form("/search")
    visitor.open("/search", q="reef", integration="xpm")
    assert visitor.open("/clients").form("/search")["integration"] == "xpm"
    assert visitor.open("/search").form("/search")["integration"] == "xpm"
    visitor.open("/search/results", q="reef")
    assert "integration" not in visitor.open("/clients").form("/search")


def test_a_disconnected_client_is_offered_its_record_before_a_second_import(
    desk: Desk, simulator: SimulatorHandle
) -> None:
    record, visitor = importable(simulator)[0], connected(desk)
    client_id = imported(desk, record.uuid, name="Once Connected")
    visitor.send(visitor.open(f"/clients/{client_id}/disconnect"), f"/clients/{client_id}/disconnect")
    page = keeps_the_rules(visitor.open("/search", q=record.name, integration="xpm"))
    connect = page.links()[f"Connect {record.name} to Once Connected"]
    assert connect == f"/clients/{client_id}/connect?record={record.uuid}"
    window = keeps_the_rules(visitor.open(f"/clients/add/xpm/{record.uuid}"))
    assert window.links()["Connect"] == connect
    connecting = keeps_the_rules(visitor.open(connect))
    assert "Connected to XPM" in visitor.send(connecting, f"/clients/{client_id}/connect").text
    after = visitor.open("/search", q=record.name, integration="xpm")
    assert not [text for text in after.links() if text.startswith(("Connect ", "Import "))]


def test_a_colleagues_clients_are_neither_counted_nor_offered(desk: Desk, simulator: SimulatorHandle) -> None:
    record, visitor = importable(simulator)[0], connected(desk)
    client_id = imported(desk, record.uuid)
    visitor.send(visitor.open(f"/clients/{client_id}/disconnect"), f"/clients/{client_id}/disconnect")
    with desk.world.database.write() as tx:
        tx.session.execute(delete(ClientVisibility))
    page = visitor.open("/search", q=record.name, integration="xpm")
    assert _counts(page).startswith("0 in your portal, 1 only in")
    assert f"Import {record.name}" in page.links()
    assert str(client_id) not in str(page.links())


def test_a_record_of_a_colleagues_client_counts_as_only_in_xpm(desk: Desk, simulator: SimulatorHandle) -> None:
    record, visitor = importable(simulator)[0], connected(desk)
    imported(desk, record.uuid)
    synced(desk.world)
    assert _counts(visitor.open("/search", q=record.name, integration="xpm")).startswith("1 in your portal, 0 only in")
    with desk.world.database.write() as tx:
        tx.session.execute(delete(ClientVisibility))
    assert _counts(visitor.open("/search", q=record.name, integration="xpm")).startswith("0 in your portal, 1 only in")


def _counts(page: Page) -> str:
    return next(item["data-status"] for item in page.root.all("div") if item["data-status"])


def test_the_total_of_a_search_counts_no_colleagues_clients(desk: Desk) -> None:
    for name in ("Reef One Pty Ltd", "Reef Two Pty Ltd"):
        desk.entity(desk.partner, name)
    desk.entity(desk.staff(Role.PARTNER), "Reef Three Pty Ltd")
    world = desk.world
    who = Caller(world.practice_id, world.staff_id, "Kim", Role.PARTNER, frozenset(Scope))
    found = search.search_all(world.services, who, "reef", with_xpm=False, limit=1)
    assert (len(found.clients), found.clients_total) == (1, 2)
