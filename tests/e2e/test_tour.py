"""The tour of docs/tour.md, from a portal that nobody has used yet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.browser import SET_UP, Visit, visiting
from tests.e2e.test_clients_side import NEW_PASSWORD, TASK, link_to
from tests.serving import Served, serving
from tests.worker.cli.test_running import until
from worker.local.processes import free_port


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A portal of its own: the tour begins before anything was set up."""
    with serving("--data", tmp_path, "--clients", 60, "--port", free_port(), "--json") as found:
        until(lambda: bool(found.lines) or found.ended(), seconds=120)
        yield found
        found.stop()


def test_the_tour(visit: Visit, browser: Browser, served: Served) -> None:
    page = visit.page
    # The owner sets the firm up
    visit.sign_in("owner@quietbay")
    visit.menu("Security")
    visit.link("Terms of use for clients").click()
    page.get_by_label("Or their text").fill("Be kind to each other.")
    visit.button("Save terms").click()
    visit.menu("Integrations")
    visit.link("Set up Firm wide mandatory MFA for staff and clients").click()
    page.get_by_label("Require MFA for everyone.").check()
    visit.button("Require MFA").click()
    visit.button("Set up").click()
    visit.link("Continue to XPM").click()
    page.get_by_label("Harbour Advisory").check()
    visit.button("Allow access").click()
    page.get_by_label("Harbour Advisory").check()
    visit.button("Connect").click()
    expect(page.get_by_role("status")).to_contain_text("Xero Practice Manager is connected.")
    # An individual, by the Client list
    visit.menu("Client list")
    page.locator("summary", has_text="Add clients").click()
    page.get_by_role("list", name="From integrations").get_by_role("link", name="From Xero Practice Manager").click()
    page.get_by_label("Client or entity name").fill("an")
    person = page.locator("li.result", has_text="Individual").filter(has_text="@").first
    person.get_by_role("link").first.click()
    page.get_by_label("Personal").check()
    page.get_by_label("Yes").check()
    email = page.get_by_label("Email").input_value()
    visit.button("Add").click()
    expect(page.get_by_text("Success.")).to_be_visible()
    name = page.get_by_role("heading", level=1).inner_text().removesuffix(" has been added")
    visit.link("Import details and relationships").click()
    visit.button("Continue").click()
    expect(visit.heading("Import complete")).to_be_visible()
    # An entity, by the advanced search, and a task for whoever acts for it
    page.locator("summary", has_text="Advanced search").click()
    panel = page.get_by_role("search", name="Advanced search")
    panel.get_by_label("Xero Practice Manager").check()
    panel.get_by_label("Name of the client or entity").press_sequentially("tr", delay=5)
    results = page.locator("#advanced-results")
    results.locator("li.result", has_text="Trust").get_by_role("link", name=re.compile("^Import ")).first.click()
    visit.button("Add").click()
    expect(page.get_by_text("Success.")).to_be_visible()
    visit.link("Send a task").click()
    page.get_by_role("dialog").get_by_role("link", name="Add a connection").click()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Relationship").fill("Director")
    page.get_by_label("Guest access", exact=True).check()
    page.get_by_label("Email").fill(email)
    visit.button("Add connection").click()
    page.get_by_label("Task", exact=True).fill(TASK)
    visit.button("Send task").click()
    expect(page.get_by_text("They see it once they have activated their account.")).to_be_visible()
    # The client activates the account and completes it
    with visiting(browser, served) as client:
        client.page.goto(link_to(served, email, "Welcome"))
        client.page.get_by_label("Password", exact=True).fill(NEW_PASSWORD)
        client.page.get_by_label("Confirm password").fill(NEW_PASSWORD)
        client.page.get_by_label("I accept the terms of use").check()
        client.button("Activate").click()
        expect(client.heading(SET_UP)).to_be_visible()
        client.set_up_app()
        client.link("I have saved them").click()
        client.link(TASK).first.click()
        client.page.get_by_label("Note to").fill("Signed; see my email.")
        client.button("Mark as completed").click()
        expect(client.page.get_by_text("Task completed.")).to_be_visible()
        assert client.complaints == []
    page.reload()
    expect(page.get_by_text("Signed; see my email.")).to_be_visible()
