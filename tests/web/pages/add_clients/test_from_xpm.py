"""The article's first way: Client list > Add clients > From integrations > From Xero Practice Manager, step by step."""

from __future__ import annotations

from uuid import uuid4

from sqlalchemy import update

from handlers import refusals
from portal_db.access import people
from portal_db.states import EntityType, FieldSource, LoginKind, Role
from portal_db.tables import XpmConnection
from tests.handlers.directory.given import synced
from tests.handlers.given import change
from tests.making import importable
from tests.web.desk import Desk
from tests.web.pages.frame.test_frame import keeps_the_rules
from tests.web.pages.people import a_company, connected, with_a_typing_error
from tests.web.pages.reading import Page, Reader, reader, stranger
from xpm.simulator.practice.model import Client
from xpm.simulator.serve import SimulatorHandle

SEARCH = "/clients/add/xpm"


def window_of(visitor: Reader, record: Client) -> Page:
    """Search for a record and choose it."""
    found = keeps_the_rules(visitor.open(SEARCH, q=record.name))
    return keeps_the_rules(visitor.open(found.links()[record.name]))


def add(visitor: Reader, window: Page, record: Client, **typed: str) -> Page:
    return visitor.send(window, f"{SEARCH}/{record.uuid}", **typed)


def test_an_individual_is_added_step_by_step(desk: Desk, simulator: SimulatorHandle) -> None:
    visitor, record = connected(desk), importable(simulator)[0]
    start = visitor.open("/clients")
    box = keeps_the_rules(visitor.open(start.links()["From Xero Practice Manager"]))
    assert (box.heading, "Client or entity name" in box.labels()) == ("From Xero Practice Manager", True)
    window = window_of(visitor, record)
    assert {"Name", "Email"} <= window.labels().keys()
    assert {legend.text for legend in window.root.all("legend")} == {
        "Client type", "Subscription type", "Send the client a welcome email?"
    }  # fmt: skip
    assert "Each client you import requires their own unique email address." in window.text
    filled = window.form(f"{SEARCH}/{record.uuid}")
    assert (filled["name"], filled["email"], filled["subscription"]) == (record.name, record.email, "Starter")
    assert "send_welcome_email" not in filled  # nobody's decision but theirs
    progress = keeps_the_rules(
        add(visitor, window, record, client_type="Business", subscription="Pro", send_welcome_email="yes")
    )
    assert progress.heading == "Adding the client"
    assert "Check the request" in progress.text
    desk.world.run_due()
    success = keeps_the_rules(visitor.open(progress.path))
    assert success.heading == f"{record.name} has been added"
    assert "The welcome email has been sent." in success.text
    listed = visitor.open(success.links()["Client list"])
    row = next(row.text for row in listed.root.all("tr") if record.name in row.text)
    assert all(word in row for word in ("New", "Business", "Pro", "Invited", "Connected"))
    imported = visitor.open(success.links()["Import details and relationships"])
    going = visitor.send(imported, imported.path)
    assert (going.heading, "View integration progress" in going.links()) == ("Import is in progress", True)
    desk.world.run_due()
    assert visitor.open(going.path).heading == "Import complete"


def test_an_entity_is_added_with_its_name_and_type_adjusted(desk: Desk, simulator: SimulatorHandle) -> None:
    visitor, record = connected(desk), a_company(simulator)
    window = window_of(visitor, record)
    assert {"Entity name", "Entity type"} <= window.labels().keys()
    assert "Email" not in window.labels()
    assert window.form(f"{SEARCH}/{record.uuid}")["entity_type"] == EntityType.COMPANY
    progress = add(visitor, window, record, name="As we call it", entity_type="Private Company")
    desk.world.run_due()
    assert visitor.open(progress.path).heading == "As we call it has been added"
    assert desk.world.scalar("SELECT entity_type FROM clients WHERE name = 'As we call it'") == "Private Company"


def test_what_is_left_as_xpm_has_it_stays_xpms(desk: Desk, simulator: SimulatorHandle) -> None:
    visitor, record = connected(desk), importable(simulator)[0]
    add(visitor, window_of(visitor, record), record, send_welcome_email="no", name="Adjusted")
    desk.world.run_due()
    source_of = "SELECT source FROM client_fields WHERE field = :field"
    assert desk.world.scalar(source_of, field="name") == FieldSource.IMPORT
    assert desk.world.scalar(source_of, field="email") == FieldSource.XPM


def test_sent_twice_it_is_added_once_and_a_changed_window_is_no_second_copy(
    desk: Desk, simulator: SimulatorHandle
) -> None:
    visitor, record = connected(desk), importable(simulator)[0]
    window = window_of(visitor, record)
    first = add(visitor, window, record, send_welcome_email="no")
    assert add(visitor, window, record, send_welcome_email="no").path == first.path
    other = add(visitor, window, record, send_welcome_email="yes")
    assert (other.status, other.path) == (409, f"{SEARCH}/{record.uuid}")
    assert other.form(other.path)["send_welcome_email"] == "yes"
    assert desk.world.scalar("SELECT count(*) FROM imports") == 1


def test_what_is_missing_is_told_at_its_field_and_nothing_is_retyped(desk: Desk, simulator: SimulatorHandle) -> None:
    visitor, record = connected(desk), importable(simulator)[0]
    again = keeps_the_rules(add(visitor, window_of(visitor, record), record, email=" ", name="Typed"))
    assert again.status == 422
    assert again.faults().keys() == {"email", "send_welcome_email"}
    assert "unique email address" in again.faults()["email"]
    assert again.form(again.path)["name"] == "Typed"
    assert desk.world.scalar("SELECT count(*) FROM imports") == 0


def test_an_email_that_is_taken_is_told_at_its_field_and_corrected_there(
    desk: Desk, simulator: SimulatorHandle
) -> None:
    visitor, record = connected(desk), importable(simulator)[0]
    with desk.world.database.write() as tx:
        assert people.add_login(tx, tx.new_id(), LoginKind.STAFF, "taken@x.example", "taken@x.example")
    window = window_of(visitor, record)
    progress = add(visitor, window, record, email="Taken@x.example", name="As typed", send_welcome_email="no")
    desk.world.run_due()
    rejected = keeps_the_rules(visitor.open(progress.path))
    assert refusals.EMAIL_TAKEN.message in rejected.faults()["email"]
    again = f"{progress.path}/again"
    assert (rejected.form(again)["name"], rejected.form(again)["email"]) == ("As typed", "Taken@x.example")
    still = visitor.send(rejected, again)  # nothing corrected: asked for anew, and turned down anew
    desk.world.run_due()
    assert refusals.EMAIL_TAKEN.message in visitor.open(still.path).faults()["email"]
    corrected = visitor.send(rejected, again, email="free@x.example")
    twice = visitor.send(rejected, again, email="free@x.example")
    assert corrected.path == twice.path == progress.path
    desk.world.run_due()
    assert visitor.open(progress.path).heading == "As typed has been added"


def test_two_emails_in_xpm_are_shown_and_one_is_chosen(own_desk: Desk, own_simulator: SimulatorHandle) -> None:
    visitor, record = connected(own_desk), importable(own_simulator)[0]
    change(own_simulator, record.uuid, email="jane@mail.example; joe@mail.example")
    # Given a window that shows both, when it is sent as it is
    window = window_of(visitor, record)
    assert window.form(f"{SEARCH}/{record.uuid}")["email"] == "jane@mail.example; joe@mail.example"
    progress = add(visitor, window, record, send_welcome_email="no")
    own_desk.world.run_due()
    # Then it is refused at its field, which still shows both
    refused = keeps_the_rules(visitor.open(progress.path))
    assert "XPM holds two addresses; choose one." in refused.faults()["email"]
    again = f"{progress.path}/again"
    assert refused.form(again)["email"] == "jane@mail.example; joe@mail.example"
    # When one is left, the client is added with it
    visitor.send(refused, again, email="joe@mail.example")
    own_desk.world.run_due()
    assert visitor.open(progress.path).heading == f"{record.name} has been added"
    assert own_desk.world.scalar("SELECT count(*) FROM logins WHERE email = 'joe@mail.example'") == 1


def test_a_search_that_finds_nothing_exactly_says_that_it_guesses(desk: Desk, simulator: SimulatorHandle) -> None:
    synced(desk.world)
    visitor, (typed, record) = connected(desk), with_a_typing_error(simulator)
    page = keeps_the_rules(visitor.open(SEARCH, q=typed))
    assert "No exact match; did you mean:" in page.text
    assert record.name in page.links()
    assert "No exact match" not in visitor.open(SEARCH, q=record.name).text


def test_who_only_looks_can_neither_open_a_window_nor_send_one(desk: Desk, simulator: SimulatorHandle) -> None:
    visitor, record = reader(desk, desk.staff(Role.BASIC)), importable(simulator)[0]
    token = visitor.open("/clients").form("/sign-out")["csrf_token"]
    address = f"{SEARCH}/{record.uuid}"
    for page in (visitor.open(SEARCH), visitor.open(address), visitor.post(address, {"csrf_token": token})):
        assert (page.status, page.heading) == (403, "You don't have access to this")
    assert stranger(desk).post(address, {"csrf_token": token}).path == "/sign-in"


def test_a_window_without_the_sessions_token_is_refused(desk: Desk, simulator: SimulatorHandle) -> None:
    visitor, record = connected(desk), importable(simulator)[0]
    window = window_of(visitor, record)
    assert add(visitor, window, record, send_welcome_email="no", csrf_token="0" * 64).status == 403
    assert desk.world.scalar("SELECT count(*) FROM imports") == 0


def test_who_is_not_connected_is_told_where_to_connect(desk: Desk) -> None:
    visitor = reader(desk, desk.staff(Role.MANAGER))
    page = keeps_the_rules(visitor.open(SEARCH))
    assert "XPM is not connected" in page.text
    assert page.links()["Configure > Integrations"] == "/configure/integrations"


def test_a_search_says_when_there_is_nothing_and_when_xpm_cannot_answer(desk: Desk) -> None:
    visitor = connected(desk)
    assert "No client or entity in XPM has" in visitor.open(SEARCH, q="<b>zzzz").text
    with desk.world.database.write() as tx:
        tx.session.execute(update(XpmConnection).values(tenant_id=str(uuid4())))
    assert "Xero Practice Manager is unavailable right now." in keeps_the_rules(visitor.open(SEARCH, q="an")).text


def test_imports_of_another_practice_are_not_there(desk: Desk, simulator: SimulatorHandle) -> None:
    theirs = desk.world.ask(importable(simulator)[0].uuid)
    visitor = reader(desk, desk.other_practice())
    token = visitor.open("/clients").form("/sign-out")["csrf_token"]
    for path in (f"/imports/{theirs}", f"/imports/{theirs}/standing", "/imports/nonsense"):
        assert visitor.open(path).status == 404
    for path in (f"/imports/{theirs}/again", f"/clients/{uuid4()}/import-items"):
        values = {"csrf_token": token, "name": "x", "entity_type": "Trust", "details": "yes", "email": "a@b.example"}
        assert visitor.post(path, values).status == 404
