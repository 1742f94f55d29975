"""Editing a client, letting XPM decide again, archiving; and the welcome email before it is sent."""

from __future__ import annotations

import pytest

from handlers import refusals
from handlers.access import sessions
from portal_db.states import Role
from tests.handlers.given import change
from tests.letters import body, letters
from tests.making import importable
from tests.web.desk import PASSWORD, Desk
from tests.web.pages.frame.test_frame import keeps_the_rules
from tests.web.pages.people import connected, imported
from tests.web.pages.reading import Page, Reader, reader
from xpm.simulator.serve import SimulatorHandle


def facts(page: Page) -> dict[str, str]:
    return {item.text: next(item.parent.all("dd")).text for item in page.root.all("dt") if item.parent}


def edit(visitor: Reader, path: str, **typed: str) -> Page:
    return visitor.send(keeps_the_rules(visitor.open(f"{path}/edit")), f"{path}/edit", **typed)


def bring_details(visitor: Reader, desk: Desk, path: str) -> Page:
    page = visitor.open(f"{path}/import-items")
    visitor.post(f"{path}/import-items", {**page.form(f"{path}/import-items"), "details": "yes"})
    desk.world.run_due()
    return visitor.open(path)


def test_what_the_firm_edits_stays_until_it_lets_xpm_decide(desk: Desk, simulator: SimulatorHandle) -> None:
    visitor, record = connected(desk), importable(simulator)[0]
    path = f"/clients/{imported(desk, record.uuid)}"
    done = keeps_the_rules(
        edit(visitor, path, name="Gwen Mitchell", phone="02 5550 1234", date_of_birth="1990-12-31", subscription="Pro")
    )
    found = facts(done)
    assert done.heading == "Gwen Mitchell"
    assert "31 Dec 1990" in found["Date of birth"]
    assert "Edited by your firm; not overwritten by XPM" in found["Phone"]
    assert "Subscription type changed from Starter to Pro" in done.text
    assert "by you (edit)" in done.text
    # When its details are imported again, they stay; once XPM may decide, it does
    assert bring_details(visitor, desk, path).heading == "Gwen Mitchell"
    edit(visitor, path, xpm_name="yes")
    again = bring_details(visitor, desk, path)
    assert (again.heading, "02 5550 1234" in facts(again)["Phone"]) == (record.name, True)


def test_what_does_not_fit_is_said_at_its_field(desk: Desk, simulator: SimulatorHandle) -> None:
    visitor = connected(desk)
    path = f"/clients/{imported(desk, importable(simulator)[0].uuid)}"
    wrong = {"name": "", "email": "nobody", "date_of_birth": "31 December", "subscription": "Gold"}
    for name, value in wrong.items():
        page = keeps_the_rules(edit(visitor, path, **{name: value, "phone": "12345"}))
        assert (set(page.faults()), page.form(f"{path}/edit")["phone"]) == ({name}, "12345"), name
    assert desk.world.scalar("SELECT count(*) FROM client_changes WHERE source = 'staff'") == 0


@pytest.mark.parametrize("how", ["edit", "import"])
def test_a_form_takes_back_nothing_that_changed_while_it_was_open(
    own_desk: Desk, own_simulator: SimulatorHandle, how: str
) -> None:
    desk, visitor, record = own_desk, connected(own_desk), importable(own_simulator)[0]
    path = f"/clients/{imported(desk, record.uuid)}"
    change(own_simulator, record.uuid, phone="02 5550 1111")
    bring_details(visitor, desk, path)
    # Given an open form, and a phone number that changes meanwhile
    page = visitor.open(f"{path}/edit")
    assert page.form(f"{path}/edit")["phone"] == "02 5550 1111"
    if how == "edit":
        edit(visitor, path, phone="02 5550 2222", subscription="Pro")
    else:
        change(own_simulator, record.uuid, phone="02 5550 2222")
        bring_details(visitor, desk, path)
    # When the form is sent with a new address
    before = desk.world.scalar("SELECT count(*) FROM client_changes")
    found = facts(visitor.send(page, f"{path}/edit", address="1 New Street"))
    # Then that alone is written
    assert ("1 New Street" in found["Address"], "02 5550 2222" in found["Phone"]) == (True, True)
    assert ("Edited by your firm" in found["Phone"]) == (how == "edit")
    assert desk.world.scalar("SELECT count(*) FROM client_changes") == int(str(before)) + 1
    assert desk.world.scalar("SELECT subscription FROM clients") == ("Pro" if how == "edit" else "Starter")


def test_a_form_of_the_release_before_changes_what_it_names(desk: Desk, simulator: SimulatorHandle) -> None:
    # Given a page that was opened before a deploy, which does not say what it showed
    visitor = connected(desk)
    path = f"/clients/{imported(desk, importable(simulator)[0].uuid)}"
    edit(visitor, path, phone="02 5550 1111")
    form = visitor.open(f"{path}/edit").form(f"{path}/edit")
    values = {name: value for name, value in form.items() if not name.startswith("shown_")}
    # When a field is emptied in it, then it is empty
    visitor.post(f"{path}/edit", {**values, "phone": ""})
    assert desk.world.scalar("SELECT value FROM client_fields WHERE field = 'phone'") == ""


def test_a_change_of_what_changed_meanwhile_is_refused_with_the_new_value(
    desk: Desk, simulator: SimulatorHandle
) -> None:
    visitor = connected(desk)
    path = f"/clients/{imported(desk, importable(simulator)[0].uuid)}"
    page = visitor.open(f"{path}/edit")
    edit(visitor, path, phone="02 5550 2222", subscription="Pro")
    # When somebody who has not seen that gives other values, then each is shown to them first
    typed = {"phone": "02 5550 3333", "client_type": "Business", "subscription": "Starter"}
    for name, now in {"phone": "02 5550 2222", "subscription": "Pro"}.items():
        page = keeps_the_rules(visitor.send(page, f"{path}/edit", **typed | {"subscription": "Other"}))
        assert (page.status, set(page.faults()), f"Now: {now}" in page.text) == (409, {name}, True)
        assert page.form(f"{path}/edit")["phone"] == "02 5550 3333"
    assert desk.world.scalar("SELECT client_type FROM clients") == "Personal"
    # And what they send then is written
    assert "02 5550 3333" in facts(visitor.send(page, f"{path}/edit", **typed))["Phone"]


def test_a_form_that_comes_back_after_signing_in_takes_back_nothing_either(
    desk: Desk, simulator: SimulatorHandle
) -> None:
    person, path = desk.staff(Role.OWNER), f"/clients/{imported(desk, importable(simulator)[0].uuid)}"
    visitor = reader(desk, person)
    form = {**visitor.open(f"{path}/edit").form(f"{path}/edit"), "title": "Dr"}
    # Given a form that is sent after its session ended, and a phone number that changes before it is sent again
    desk.world.pass_time(sessions.IDLE_SECONDS + 1)
    headers = {"Referer": f"{desk.url}{path}/edit"}
    asked = Page.of(visitor.browser.post(f"{path}/edit", data=form, headers=headers))
    edit(connected(desk), path, phone="02 5550 2222")
    back = visitor.send(asked, "/sign-in", email=person.email, password=PASSWORD)
    assert back.form(f"{path}/edit")["title"] == "Dr"
    # When it is sent again, the phone number stays
    assert "02 5550 2222" in facts(visitor.send(back, f"{path}/edit"))["Phone"]


def test_an_entity_has_a_name_and_a_type(desk: Desk) -> None:
    path = f"/clients/{desk.entity(desk.partner)}"
    done = edit(connected(desk), path, name="Reef Trust", type="Trust")
    assert (done.heading, facts(done)["Entity type"].startswith("Trust")) == ("Reef Trust", True)


def test_an_archived_client_is_out_of_the_way_until_it_is_restored(any_desk: Desk, simulator: SimulatorHandle) -> None:
    desk, visitor = any_desk, connected(any_desk)
    path = f"/clients/{imported(desk, importable(simulator)[0].uuid)}"
    name = visitor.open(path).heading
    archived = keeps_the_rules(visitor.send(visitor.open(f"{path}/edit"), f"{path}/archive"))
    assert "Archived on" in archived.text
    assert name not in visitor.open("/clients").main.text
    assert name in visitor.open("/clients", archived="yes").main.text
    for act in ("invite", "import-items", "tasks/new"):
        page = visitor.open(f"{path}/{act}")
        refused = visitor.send(
            page, f"{path}/{act}", **({"title": "Sign"} if act == "tasks/new" else {"details": "yes"})
        )
        assert refusals.CLIENT_ARCHIVED.message in refused.text, act
    restored = visitor.send(visitor.open(path), f"{path}/archive", restore="yes")
    assert "Restored" in restored.text
    assert name in visitor.open("/clients").main.text


def test_the_welcome_email_is_shown_before_it_is_sent(desk: Desk, simulator: SimulatorHandle) -> None:
    visitor = connected(desk)
    path = f"/clients/{imported(desk, importable(simulator)[0].uuid)}"
    page = keeps_the_rules(visitor.open(f"{path}/invite"))
    assert "up to 5 emails a day" in page.text
    shown = next(page.main.all("pre")).text
    visitor.send(page, f"{path}/invite")
    desk.world.run_due()
    [letter] = letters(desk.world)
    before, _, after = " ".join(body(letter).split()).partition("http")
    assert shown.startswith(before)
    assert shown.endswith(after.partition(" ")[2])


@pytest.mark.parametrize("act", ["edit", "archive"])
def test_nobody_edits_what_they_do_not_see(desk: Desk, act: str) -> None:
    path = f"/clients/{desk.entity(desk.partner)}/{act}"
    for person, status in ((desk.other_practice(), 404), (desk.staff(Role.BASIC), 403)):
        visitor = reader(desk, person)
        token = {"csrf_token": visitor.open("/clients").form("/sign-out")["csrf_token"], "name": "Theirs"}
        assert visitor.post(path, token).status == status
