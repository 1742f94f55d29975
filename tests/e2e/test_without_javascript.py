"""The portal on a phone whose browser runs no scripts: staff add, review and send; a client activates and completes."""

from __future__ import annotations

import re

from playwright.sync_api import Browser, expect

from tests.e2e.browser import calling, signed_in
from tests.handlers.access.test_activation import newest_token
from tests.handlers.given import find
from tests.web.desk import PASSWORD, Desk
from tests.world import is_importable_person
from xpm.simulator.serve import SimulatorHandle

TASK = "Sign the engagement letter"


def test_a_client_is_added_reviewed_and_sent_a_task_and_completes_it(
    browser: Browser, desk: Desk, simulator: SimulatorHandle
) -> None:
    record = find(simulator, lambda each: is_importable_person(each) and len(each.relationships) > 1)
    with (
        signed_in(browser, desk, width=390, javascript=False) as kim,
        calling(browser, desk, width=390, dark=True, javascript=False) as client,
    ):
        page = kim.page
        # Given a record of XPM, found by the search's button
        page.locator("summary", has_text="Add clients").click()
        page.get_by_role("list", name="From integrations").get_by_role("link").first.click()
        page.get_by_label("Client or entity name").fill(record.name)
        kim.button("Search").last.click()
        kim.link(record.name).first.click()
        # When the email is missing, the window says so as it says everything, and nothing is typed again
        page.get_by_label("Email").fill("")
        page.get_by_label("Personal").check()
        page.get_by_label("Yes").check()
        kim.button("Add").click()
        expect(page.locator("#email-fault")).to_be_visible()
        kim.fits()
        kim.complaints.clear()  # the browser notes the answer's status
        page.get_by_label("Email").fill(record.email or "")
        kim.button("Add").click()
        # Then the page loads itself again until it is done
        expect(kim.heading("Adding the client")).to_be_visible()
        desk.world.run_due()
        expect(kim.heading(f"{record.name} has been added")).to_be_visible()
        kim.fits()
        # When its items are imported and reviewed
        kim.link("Import details and relationships").click()
        kim.button("Continue").click()
        desk.world.run_due()
        kim.link(re.compile("^Review new items")).first.click()
        page.locator("[data-item]").first.get_by_role("button", name="Ignore").click()
        expect(page.get_by_role("status")).to_contain_text("Ignored")
        kim.button("Undo").click()
        expect(page.get_by_role("status")).to_contain_text("Undone")
        page.locator("[data-item]").first.get_by_role("link", name="Import").click()
        page.get_by_label("Relationship").fill("Friend")
        if page.get_by_label("Import as account co-owner").count():
            page.get_by_label("Import as account co-owner").uncheck()
        kim.button("Save and import").click()
        expect(page.get_by_role("status")).to_contain_text("added to the team")
        kim.fits()
        # And a task is sent from the menu of the list
        kim.menu("Client list")
        kim.link(record.name).first.click()
        kim.link("Send a task").first.click()
        page.get_by_label("Task", exact=True).fill(TASK)
        kim.button("Send task").click()
        expect(page.get_by_text(TASK)).to_be_visible()
        # Then the client types the code of the link, activates the account, and completes it
        client.go("/activate")
        client.page.get_by_label("Link code").fill(newest_token(desk.world))
        client.button("Continue").click()
        client.page.get_by_label("Password", exact=True).fill(PASSWORD)
        client.page.get_by_label("Confirm password").fill(PASSWORD)
        client.button("Activate").click()
        expect(client.heading("Your tasks")).to_be_visible()
        client.fits()
        client.link(TASK).first.click()
        client.page.get_by_label("Note to").fill("Done.")
        client.button("Mark as completed").click()
        expect(client.page.get_by_text("Task completed.")).to_be_visible()
        client.menu("Your details")
        expect(client.heading(record.name)).to_be_visible()
        client.fits()
        client.page.locator("summary[aria-label^=Account]").click()
        client.button("Sign out").click()
        expect(client.heading("Sign in")).to_be_visible()
    # And staff see it
    assert desk.world.scalar("SELECT state FROM tasks") == "completed"
