"""The article's two walkthroughs, click by click: an entity by the Client list, an individual by the Advanced search."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.e2e import records
from tests.e2e.browser import Visit
from tests.serving import Served
from tests.worker.cli.test_running import until
from worker.local.serve import links


def test_an_entity_is_imported_by_the_client_list(visit: Visit) -> None:
    record = records.entities(visit.served, lambda row: bool(row["relationships"]))[0]
    page, adjusted = visit.page, f"{record['name']} (ours)"
    visit.sign_in("partner")
    # Navigate to Clients > Client list; select Add clients > From integrations > From Xero Practice Manager
    visit.menu("Client list")
    page.locator("summary", has_text="Add clients").click()
    expect(page.get_by_text("From integrations")).to_be_visible()
    visit.is_sound()
    visit.link("From Xero Practice Manager").click()
    # A search box appears; type the name to search within XPM
    page.get_by_label("Client or entity name").press_sequentially(record["name"][:12], delay=5)
    found = page.get_by_role("link", name=record["name"], exact=True)
    expect(found).to_be_visible()
    expect(page.get_by_role("status").first).to_contain_text("in XPM")
    visit.is_sound()
    found.click()
    # The entity window: adjust the entity name and type before proceeding to add
    window = page.get_by_role("dialog")
    expect(visit.heading("Add entity from Xero Practice Manager")).to_be_visible()
    expect(window.get_by_label("Entity name")).to_have_value(record["name"])
    expect(window.get_by_label("Email")).to_have_count(0)
    window.get_by_label("Entity name").fill(adjusted)
    window.get_by_label("Entity type").select_option("Super Fund")
    visit.is_sound()
    visit.button("Add").click()
    # A success message displays, with its next steps
    expect(visit.heading(f"{adjusted} has been added")).to_be_visible()
    expect(page.get_by_text("Success.")).to_be_visible()
    visit.is_sound()
    # Send the entity a task: for an entity it is best to add a connection first, who receives it
    success = page.url
    visit.link("Send a task").click()
    expect(visit.heading("Add a connection first")).to_be_visible()
    visit.is_sound()
    window.get_by_role("link", name="Add a connection").click()
    page.get_by_label("Name", exact=True).fill("Dana Director")
    page.get_by_label("Relationship").fill("Director")
    page.get_by_label("Guest access", exact=True).check()
    page.get_by_label("Email").fill("dana@director.example")
    visit.is_sound()
    visit.button("Add connection").click()
    page.get_by_label("Task", exact=True).fill("Sign the engagement letter")
    visit.is_sound()
    visit.button("Send task").click()
    expect(page.get_by_role("status").first).to_contain_text("Task sent.")
    visit.is_sound()
    page.goto(success)
    # Proceed to import details and relationships
    visit.link("Import details and relationships").click()
    expect(page.get_by_label("Entity information")).to_be_checked()
    visit.is_sound()
    visit.button("Continue").click()
    visit.link("View integration progress").first.click()
    # It is followed in Integration progress, which leads to the review
    expect(visit.heading("Integration progress")).to_be_visible()
    expect(
        page.get_by_role("link", name=re.compile(rf"Review new items for {re.escape(adjusted)}")).first
    ).to_be_visible()
    visit.is_sound()
    # And the entity is in the Client list, under its adjusted name and type
    visit.menu("Client list")
    row = page.get_by_role("row", name=re.compile(re.escape(adjusted)))
    expect(row).to_contain_text("Super Fund")
    expect(row).to_contain_text("Connected")


def test_an_individual_is_imported_by_the_advanced_search_and_welcomed(visit: Visit, served: Served) -> None:
    record, page = records.people(served)[0], visit.page
    visit.sign_in("partner")
    # Navigate to the top of the page and click + Advanced search; tick the XPM integration; type the name
    page.locator("summary", has_text="Advanced search").click()
    panel = page.get_by_role("search", name="Advanced search")
    panel.get_by_label("Xero Practice Manager").check()
    expect(page.locator("#advanced-results").get_by_role("heading")).to_contain_text("first 20 of")
    panel.get_by_label("Name of the client or entity").press_sequentially(record["name"], delay=5)
    # Not under MP clients, so not a client of the portal; under XPM there is Import
    results = page.locator("#advanced-results")
    expect(results.get_by_role("heading", name="MP clients")).to_be_visible()
    expect(results).to_contain_text("No clients in your portal")
    visit.is_sound()
    results.get_by_role("link", name=f"Import {record['name']}").click()
    # The individual window: client type, subscription type, welcome email
    expect(visit.heading("Add client from Xero Practice Manager")).to_be_visible()
    expect(page.get_by_text("Each client you import requires their own unique email address.")).to_be_visible()
    expect(page.get_by_label("Email")).to_have_value(record["email"])
    visit.is_sound()
    page.get_by_label("Business").check()
    page.get_by_label("Starter").check()
    page.get_by_label("Yes").check()
    visit.button("Add").click()
    expect(visit.heading(f"{record['name']} has been added")).to_be_visible()
    # One welcome email arrives, with a link
    mine = record["email"].casefold()
    until(lambda: any(mail.recipient.casefold() == mine for mail in served.mailbox.deliveries()))
    (mail,) = [each for each in served.mailbox.deliveries() if each.recipient.casefold() == mine]
    assert len(list(links(mail, served.mailbox))) == 1
    # The Client list says so
    visit.menu("Client list")
    expect(page.get_by_role("row", name=re.compile(re.escape(record["name"])))).to_contain_text("Invited")
    # And a second search finds the client under MP clients only
    page.locator("summary", has_text="Advanced search").click()
    panel.get_by_label("Xero Practice Manager").check()
    panel.get_by_label("Name of the client or entity").press_sequentially(record["name"], delay=5)
    expect(results.get_by_role("link", name=record["name"], exact=True)).to_be_visible()
    expect(results.get_by_role("link", name=f"Import {record['name']}")).to_have_count(0)


def test_an_email_that_is_taken_is_told_at_its_field_and_corrected(visit: Visit, served: Served) -> None:
    record, page = records.people(served)[1], visit.page
    visit.sign_in("partner")
    visit.go(f"/clients/add/xpm/{record['uuid']}")
    # Given an email address that a member of staff has
    page.get_by_label("Email").fill(served.email_of("owner@harbour"))
    page.get_by_label("No", exact=True).check()
    visit.button("Add").click()
    # Then the window says so at the field
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.locator("#email-fault")).to_contain_text("already in use in the portal")
    visit.is_sound()
    # When it is corrected, then the client is added
    page.get_by_label("Email").fill(f"own-{record['email']}")
    visit.button("Add").click()
    expect(visit.heading(f"{record['name']} has been added")).to_be_visible()
