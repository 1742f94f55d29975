"""Importing several at once, live, with one that is turned down, corrected and sent again."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.e2e import records
from tests.e2e.browser import Visit


def test_several_are_chosen_followed_live_and_the_rest_corrected(visit: Visit) -> None:
    page, served = visit.page, visit.served
    good, bad = records.people(served)[2], records.without_email(served)[0]
    visit.sign_in("partner")
    # Given two that were chosen by two searches
    page.locator("summary", has_text="Add clients").click()
    visit.link("Import multiple, or upload a CSV").click()
    visit.is_sound()
    for record in (good, bad):
        page.get_by_label("Client or entity name").fill(record["name"])
        visit.button("Search").click()
        page.get_by_label(record["name"]).check()
    expect(page.get_by_label(good["name"])).to_be_checked()
    visit.is_sound()
    # When they are checked, what is known is told before anything is imported
    visit.button("Check before importing").click()
    expect(visit.heading("Check before importing")).to_be_visible()
    visit.is_sound()
    email = page.get_by_label(f"Email for {bad['name']}")
    if email.count():  # XPM's records are known here already
        email.fill(f"own-{good['email']}")
        visit.button("Recheck").click()
    expect(page.get_by_role("heading", name="2 of 2 can be imported")).to_be_visible()
    page.get_by_role("button", name="Import 2").click()
    # Then the page follows the import to its end, without being loaded again by hand
    expect(visit.heading("Import complete")).to_be_visible(timeout=60_000)
    visit.is_sound()
    # And who was turned down is corrected on the spot
    if email.count():
        email.fill(f"own-{good['email']}")
        visit.button("Recheck corrected rows").click()
        page.get_by_role("button", name="Import 1").click()
    expect(page.get_by_text("Everything was imported.")).to_be_visible(timeout=60_000)
