"""A client's page all day long: edited, archived, invited; a team member unlinked; a co-owner invited, who then signs in."""

from __future__ import annotations

import re
from uuid import UUID

from playwright.sync_api import Browser, expect

from tests.e2e.browser import Guest, calling, signed_in
from tests.handlers.access.test_activation import newest_token
from tests.handlers.given import find
from tests.letters import body, letters
from tests.making import importable
from tests.web.desk import PASSWORD, Desk
from tests.web.pages.people import imported
from tests.world import is_importable_person
from xpm.simulator.practice.model import Client
from xpm.simulator.serve import SimulatorHandle

TASK = "Sign the loan agreement"


def a_couple(desk: Desk, simulator: SimulatorHandle) -> tuple[Client, UUID, str]:
    """Somebody with a spouse in XPM, who is a client whose relationships await review; and the spouse's name."""
    person = find(
        simulator, lambda each: is_importable_person(each) and any(row.label == "Spouse" for row in each.relationships)
    )
    spouse = next(row.related_name for row in person.relationships if row.label == "Spouse")
    return person, imported(desk, person.uuid), spouse


def test_a_client_is_edited_invited_archived_and_restored(
    browser: Browser, desk: Desk, simulator: SimulatorHandle
) -> None:
    record = importable(simulator)[0]
    client_id = imported(desk, record.uuid)
    with signed_in(browser, desk, dark=True) as kim:
        page = kim.page
        # When a value is edited, the page says whose it is, and the history who did it
        kim.go(f"/clients/{client_id}")
        expect(page).to_have_title(re.compile(re.escape(record.name)))
        kim.link("Edit").click()
        expect(page.get_by_label("Name", exact=True)).to_be_visible()
        kim.is_sound()
        page.get_by_label("Phone").fill("02 5550 1234")
        kim.button("Save").click()
        details, history = page.get_by_role("region", name="Details"), page.get_by_role("region", name="History")
        expect(details).to_contain_text(re.compile(r"02 5550 1234\s*Edited by your firm; not overwritten by XPM"))
        expect(history.get_by_role("listitem").first).to_contain_text("by you (edit)")
        kim.is_sound()
        # When they are invited, the email is shown first; it calls them by their first name
        page.get_by_label(f"More actions for {record.name}").click()
        kim.link("Send invitation").click()
        page.get_by_text("Preview the email").click()
        expect(page.get_by_text(f"Hello {record.first_name},")).to_be_visible()
        kim.is_sound()
        kim.button("Send invitation").click()
        expect(page.get_by_role("status").first).to_contain_text("The invitation is being sent.")
        desk.world.run_due()
        page.reload()
        expect(page.get_by_role("main")).to_contain_text("Invited")
        assert f"Hello {record.first_name}," in body(letters(desk.world)[0])
        # When they are archived, they are out of the list until they are restored
        kim.link("Edit").click()
        kim.button("Archive client").click()
        expect(page.get_by_text("not able to sign in")).to_be_visible()
        kim.is_sound()
        kim.menu("Client list")
        expect(page.get_by_text("No clients yet")).to_be_visible()
        kim.is_sound()
        kim.go(f"/clients/{client_id}")
        kim.button("Restore").click()
        kim.menu("Client list")
        expect(kim.link(record.name)).to_be_visible()


def test_a_co_owner_is_invited_from_the_team_and_completes_the_clients_task(
    browser: Browser, desk: Desk, simulator: SimulatorHandle
) -> None:
    _, client_id, spouse = a_couple(desk, simulator)
    with signed_in(browser, desk) as kim, calling(browser, desk, width=390, dark=True) as bo:
        page = kim.page
        # Given a spouse whom a review made a co-owner: nobody has heard of it
        kim.go(f"/clients/{client_id}/review")
        page.locator("[data-item]").filter(has_text=spouse).get_by_role("link", name="Import").click()
        page.get_by_label("Name", exact=True).fill("Bo Mitchell")
        page.get_by_label("Relationship").fill("Partner")
        page.get_by_label("Email", exact=True).fill("bo@mitchell.example")
        page.get_by_label("Import as account co-owner").check()
        kim.button("Save and import").click()
        expect(page.get_by_role("status")).to_contain_text("added to the team")
        desk.world.run_due()
        assert desk.world.mail.deliveries() == []
        # When staff invite them, the email is shown first
        kim.go(f"/clients/{client_id}")
        team = page.get_by_role("region", name="Team")
        expect(team).to_contain_text("Not invited")
        kim.is_sound()
        team.get_by_role("link", name="Send invitation to Bo Mitchell").click()
        page.get_by_text("Preview the email").click()
        expect(page.get_by_text("Hello Bo Mitchell,")).to_be_visible()
        kim.is_sound()
        kim.button("Send invitation").click()
        expect(team).to_contain_text("Being sent")
        desk.world.run_due()
        page.reload()
        expect(team).to_contain_text("Invited")
        send_task(kim, client_id)
        # Then they activate the account by the link, and are at the client's home
        bo.go(f"/activate#{newest_token(desk.world)}")
        expect(bo.page.get_by_text("Welcome, Bo Mitchell.")).to_be_visible()
        bo.is_sound()
        bo.page.get_by_label("Password", exact=True).fill(PASSWORD)
        bo.page.get_by_label("Confirm password").fill(PASSWORD)
        bo.button("Activate").click()
        expect(bo.heading("Your tasks")).to_be_visible()
        bo.is_sound()
        bo.fits()
        bo.link(TASK).first.click()
        bo.page.get_by_label("Note to").fill("Signed, from both of us.")
        bo.button("Mark as completed").click()
        expect(bo.page.get_by_text("Task completed.")).to_be_visible()
        bo.menu("Your details")
        bo.is_sound()
        bo.fits()
        # And staff see that they are active, and what they wrote
        page.reload()
        expect(team).to_contain_text("Active")
        expect(team.get_by_role("link", name="invitation")).to_have_count(0)
        expect(page.get_by_text("Signed, from both of us.")).to_be_visible()
        kim.is_sound()


def send_task(kim: Guest, client_id: UUID) -> None:
    kim.go(f"/clients/{client_id}/tasks/new")
    kim.page.get_by_label("Task", exact=True).fill(TASK)
    kim.button("Send task").click()
    expect(kim.page.get_by_role("status").first).to_contain_text("Task sent.")


def test_several_are_imported_after_a_preview_undone_and_one_is_unlinked(
    browser: Browser, desk: Desk, simulator: SimulatorHandle
) -> None:
    person = find(simulator, lambda each: is_importable_person(each) and len(each.relationships) > 2)
    client_id = imported(desk, person.uuid)
    with signed_in(browser, desk) as kim:
        page, items = kim.page, kim.page.locator("[data-item]")
        # Given the firm's queue, narrowed by the kind of client
        kim.menu("Review")
        page.get_by_label("Kind of client").select_option("Entities")
        kim.button("Search").last.click()
        expect(kim.heading("No matching items")).to_be_visible()
        kim.link("Show all").first.click()
        expect(items.nth(1)).to_be_visible()
        count = items.count()
        # When two are ticked, a preview says what would be imported, and nothing is yet
        for place in (0, 1):
            items.nth(place).get_by_role("checkbox").check()
        kim.button("Import selected").click()
        expect(page.get_by_text("A preview; nothing is imported yet.")).to_be_visible()
        kim.is_sound()
        for box in page.get_by_role("main").get_by_role("checkbox").all():
            box.check()
        kim.button("Import").click()
        expect(items).to_have_count(count - 2)
        kim.is_sound()
        # When it was a mistake, it is undone; then they are imported after all
        kim.button("Undo").click()
        expect(page.get_by_role("status")).to_contain_text("Undone")
        expect(items).to_have_count(count)
        items.first.get_by_role("checkbox").check()
        kim.button("Import selected").click()
        for box in page.get_by_role("main").get_by_role("checkbox").all():
            box.check()
        kim.button("Import").click()
        # When the wrong record was linked, that member is unlinked, and the client stays connected
        kim.go(f"/clients/{client_id}")
        page.get_by_role("link", name=re.compile("^Unlink")).first.click()
        expect(kim.heading("Unlink from XPM?")).to_be_visible()
        kim.is_sound()
        kim.button("Unlink").click()
        expect(page.get_by_role("status")).to_contain_text("Unlinked from XPM.")
        kim.go(f"/clients/{client_id}")
        expect(page.get_by_text("Connected to XPM")).to_be_visible()
        expect(page.get_by_role("region", name="History")).to_contain_text("by you (review)")
