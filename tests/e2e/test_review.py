"""Reviewing relationships: Import, Ignore, and Link to existing after a client was disconnected and connected again."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.e2e.browser import Visit


def test_items_are_reviewed_from_integration_progress(visit: Visit) -> None:
    page = visit.page
    visit.sign_in("partner")
    visit.menu("Integration progress")
    visit.is_sound()
    expect(page.get_by_role("link", name=re.compile("Review new items for")).first).to_be_visible()
    links = page.get_by_role("link", name=re.compile("Review new items for")).all()
    items = page.locator("#items > li")
    for path in [str(link.get_attribute("href")) for link in links]:
        visit.go(path)
        if items.count() > 2:  # all roles of one person are one entry
            break
    expect(visit.heading("Review new items")).to_be_visible()
    visit.is_sound()
    address = page.url
    name = items.first.locator(".name").inner_text()
    count = items.count()
    # When the first is imported, the window confirms its name and relationship
    items.first.get_by_role("link", name="Import").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value(name)
    visit.is_sound()
    page.get_by_label("Relationship").fill("Partner")
    if page.get_by_label("Import as account co-owner").count():
        page.get_by_label("Import as account co-owner").uncheck()
    visit.button("Save and import").click()
    expect(page.get_by_role("status")).to_contain_text("added to the team")
    expect(items).to_have_count(count - 1)
    # When one is ignored, and all others by their boxes, nothing is left
    items.first.get_by_role("button", name="Ignore").click()
    expect(items).to_have_count(count - 2)
    for box in items.get_by_role("checkbox").all():
        box.check()
    visit.button("Ignore selected items").click()
    expect(page.get_by_text("Nothing to review")).to_be_visible()
    visit.is_sound()
    # When the client is disconnected, connected and imported again, the item is offered to be linked
    client = address.removesuffix("/review")
    page.goto(client)
    visit.is_sound()
    _again(visit)
    page.goto(address)
    items.filter(has_text=name).first.get_by_role("link", name="Link to existing").click()
    visit.is_sound()
    page.get_by_label(re.compile(re.escape(f"{name} (Partner"))).check()
    visit.button("Continue").click()
    expect(page.get_by_text("Now in the team")).to_be_visible()
    visit.is_sound()
    visit.button("Link").click()
    expect(page.get_by_role("status")).to_contain_text("Linked")


def test_the_queue_is_worked_off_by_keyboard(visit: Visit) -> None:
    page = visit.page
    visit.sign_in("partner")
    visit.menu("Review")
    items = page.locator("[data-item]")
    expect(items.nth(2)).to_be_visible()
    visit.is_sound()
    ids = [items.nth(place).get_attribute("id") for place in range(3)]
    # j and k go through the entries; x ignores, and the focus is on the next one
    for key, place in (("j", 0), ("j", 1), ("k", 0)):
        page.keyboard.press(key)
        expect(page.locator(f"#{ids[place]}")).to_be_focused()
    page.keyboard.press("x")
    expect(page.get_by_role("status")).to_contain_text("Ignored")
    expect(page.locator(f"#{ids[1]}")).to_be_focused()
    expect(page.locator(f"#{ids[0]}")).to_have_count(0)
    # i opens the window over the queue, in its first field; no key of the queue works below it, and Escape leaves it
    page.keyboard.press("i")
    expect(page.get_by_role("dialog").get_by_label("Name", exact=True)).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("u")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("status")).to_contain_text("Ignored")
    expect(page.locator(f"#{ids[1]}").get_by_role("link", name="Import")).to_be_focused()
    # u undoes it
    page.keyboard.press("u")
    expect(page.get_by_role("status")).to_contain_text("Undone")
    expect(page.locator(f"#{ids[0]}")).to_be_focused()
    # ? lists the keys
    page.keyboard.press("?")
    expect(visit.heading("Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(visit.heading("Keys")).to_be_hidden()


def test_a_page_that_cannot_reach_the_portal_says_so_and_recovers_by_itself(visit: Visit) -> None:
    page = visit.page
    visit.sign_in("partner")
    page.route("**/integration-progress/events*", lambda route: route.abort())
    visit.menu("Integration progress")
    expect(page.get_by_role("alert")).to_contain_text("Connection lost.")
    page.unroute("**/integration-progress/events*")
    expect(page.get_by_text("Connection lost.")).to_be_hidden()
    visit.complaints.clear()  # that requests failed is what was meant


def _again(visit: Visit) -> None:
    """Disconnect the client on whose page we are, connect it to its record again, and import its relationships."""
    page, actions = visit.page, visit.page.get_by_role("list", name="Xero Practice Manager")
    name = page.get_by_role("heading", level=1).inner_text()
    page.get_by_label(f"More actions for {name}").click()
    actions.get_by_role("link", name="Disconnect client").click()
    visit.is_sound()
    visit.button("Disconnect client").click()
    page.get_by_label(f"More actions for {name}").click()
    actions.get_by_role("link", name="Connect").click()
    page.get_by_label("Name in Xero Practice Manager").fill(name)
    visit.button("Search").last.click()
    visit.is_sound()
    page.get_by_role("radio").first.check()
    visit.button("Confirm").click()
    visit.is_sound()
    visit.button("Continue").click()
    page.get_by_label(f"More actions for {name}").click()
    actions.get_by_role("link", name="Import items from Xero Practice Manager").click()
    visit.button("Continue").click()
    expect(visit.heading("Import complete")).to_be_visible(timeout=60_000)
