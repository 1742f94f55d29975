"""The client list: found, sorted, narrowed, and acted on, by hand and by keyboard; and what needs whoever is looking."""

from __future__ import annotations

import re
from uuid import uuid4

from playwright.sync_api import Browser, expect

from tests.e2e.browser import Visit, signed_in, visiting
from tests.handlers.directory.given import synced
from tests.handlers.given import find
from tests.making import importable
from tests.serving import Served
from tests.web.desk import Desk
from tests.web.pages.people import imported
from tests.world import is_importable_person
from xpm.simulator.serve import SimulatorHandle


def test_filters_stand_there_on_a_desk_and_open_on_a_phone(visit: Visit, browser: Browser, served: Served) -> None:
    visit.sign_in("partner")
    # On a desk every filter is there to be used
    expect(visit.page.get_by_text("Filters and view")).to_be_hidden()
    visit.page.get_by_label("Kind").select_option("Entities")
    visit.button("Search").click()
    expect(visit.page).to_have_url(re.compile("kind=entity"))
    visit.is_sound()
    with visiting(browser, served, width=390) as phone:
        phone.sign_in("partner")
        # On a phone they leave the room to the list until they are asked for
        opener = phone.page.locator("summary", has_text="Filters and view")
        expect(phone.page.get_by_label("Kind")).to_be_hidden()
        opener.focus()
        phone.page.keyboard.press("Enter")
        phone.page.get_by_label("Kind").select_option("Entities")
        phone.is_sound()
        phone.button("Search").click()
        # Where one is set, they stay open
        expect(phone.page).to_have_url(re.compile("kind=entity"))
        expect(phone.page.get_by_label("Kind")).to_have_value("entity")
        expect(phone.page.get_by_label("Kind")).to_be_visible()
        phone.is_sound()
        phone.fits()
        assert phone.complaints == []


def test_twenty_rows_are_sorted_saved_chosen_and_exported(browser: Browser, desk: Desk) -> None:
    names = [f"Reef {number:02} Pty Ltd" for number in range(25)]
    for name in names:
        desk.entity(desk.partner, name)
    with signed_in(browser, desk) as kim:
        page = kim.page
        rows = page.locator("tbody tr")
        # Given the total, and twenty compact rows that a screen of 900 pixels shows
        expect(page.get_by_text("25 clients and entities.")).to_be_visible()
        page.get_by_label("Rows").select_option("20")
        page.get_by_label("Density").select_option("Compact")
        kim.button("Search").last.click()
        expect(page).to_have_url(re.compile("density=compact"))
        expect(rows).to_have_count(20)
        table = page.locator("tbody").bounding_box()
        assert table is not None
        assert table["height"] <= 900
        kim.is_sound()
        # When they are sorted by name, both ways, and paged both ways
        kim.link("Name").last.click()
        expect(rows.first).to_contain_text(names[0])
        kim.link("Name").last.click()
        expect(rows.first).to_contain_text(names[-1])
        kim.link("Next").click()
        expect(rows).to_have_count(5)
        kim.link("Previous").click()
        # When a filter is saved by its name, it is there with one press
        page.get_by_label("Name", exact=True).last.fill("24 reef")
        kim.button("Search").last.click()
        expect(rows).to_have_count(1)
        page.get_by_label("Name of the filter").fill("The last one")
        kim.button("Save this filter").click()
        kim.link("Show all").click()
        kim.link("The last one").click()
        expect(rows).to_have_count(1)
        kim.is_sound()
        # When a word is nowhere, the list says what to do
        page.get_by_label("Name", exact=True).last.fill("nobody is called so")
        kim.button("Search").last.click()
        expect(kim.heading("No matching clients")).to_be_visible()
        kim.is_sound()
        # When they are exported, once the password was given again, both files come
        kim.link("Show all").first.click()
        for kind in ("CSV", "Excel"):
            with page.expect_download() as download:
                kim.link(kind).click()
            assert download.value.suggested_filename.endswith(".csv" if kind == "CSV" else ".xlsx")


def test_after_an_export_the_ticked_are_still_acted_on(
    browser: Browser, desk: Desk, simulator: SimulatorHandle
) -> None:
    imported(desk, importable(simulator)[0].uuid)
    with signed_in(browser, desk) as kim:
        # Given a ticked client that was exported, which leaves the page where it is
        kim.page.locator("tbody input[type=checkbox]").check()
        with kim.page.expect_download() as download:
            kim.button("Export selected").click()
        assert download.value.suggested_filename.endswith(".csv")
        # When the next button is pressed, then it does what it says
        kim.button("Invite selected").click()
        expect(kim.page.get_by_text("1 invited.")).to_be_visible()


def test_menus_and_search_are_used_by_keyboard(browser: Browser, desk: Desk, simulator: SimulatorHandle) -> None:
    record = importable(simulator)[0]
    synced(desk.world)
    client_id = imported(desk, record.uuid)
    for number in range(12):
        desk.entity(desk.partner, f"Reef {number:02} Pty Ltd")
    with signed_in(browser, desk) as kim:
        page = kim.page
        # The first Tab offers the way past the navigation
        page.keyboard.press("Tab")
        expect(kim.link("Skip to content")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("#main")).to_be_focused()
        # The last row's menu opens upwards, arrows move within it, Escape closes it and returns the focus
        dots = page.locator("tbody summary").last
        dots.focus()
        page.keyboard.press("Enter")
        menu = page.locator("tbody details[open]")
        expect(menu).to_be_visible()
        panel = menu.locator(".panel").bounding_box()
        assert panel is not None
        assert panel["y"] + panel["height"] <= 900 + page.evaluate("() => window.scrollY")
        page.keyboard.press("ArrowDown")
        expect(menu.get_by_role("link").first).to_be_focused()
        page.keyboard.press("ArrowDown")
        expect(menu.get_by_role("link").nth(1)).to_be_focused()
        page.keyboard.press("Escape")
        expect(dots).to_be_focused()
        # / goes to the search, which takes words in any order, and an email
        page.keyboard.press("Escape")
        page.locator("#main").focus()
        page.keyboard.press("/")
        expect(page.locator("main input[type=search]")).to_be_focused()
        page.keyboard.type(" ".join(reversed(record.name.lower().split())))
        page.keyboard.press("Enter")
        expect(kim.link(record.name)).to_be_visible()
        expect(page.locator("tbody tr")).to_have_count(1)
        # On a page without a search of its own / opens the advanced search; it remembers the tick, and offers a client once
        kim.go(f"/clients/{client_id}")
        page.keyboard.press("/")
        panel_of = page.get_by_role("search", name="Advanced search")
        expect(panel_of.get_by_label("Name of the client or entity")).to_be_focused()
        panel_of.get_by_label("Xero Practice Manager").check()
        results = page.locator("#advanced-results")
        expect(results).to_contain_text("first 20 of")
        panel_of.get_by_label("Name of the client or entity").fill(record.email or "")
        expect(results.get_by_role("link", name=record.name).first).to_be_visible()
        kim.is_sound()
        page.reload()
        page.keyboard.press("/")
        expect(panel_of.get_by_label("Xero Practice Manager")).to_be_checked()


def test_what_needs_somebody_is_one_list_and_counted(browser: Browser, desk: Desk, simulator: SimulatorHandle) -> None:
    person = find(simulator, lambda each: is_importable_person(each) and bool(each.relationships))
    imported(desk, person.uuid)
    desk.world.run_import(uuid4(), name="Nobody There")
    with signed_in(browser, desk, width=390) as kim:
        link = kim.page.get_by_role("navigation", name="Main").get_by_role("link", name=re.compile("What needs me"))
        expect(link).to_contain_text("2")
        link.click()
        expect(kim.link("Nobody There")).to_be_visible()
        expect(kim.page).to_have_title(re.compile(r"What needs me \(2\)"))
        kim.is_sound()
        kim.fits()
        kim.link(re.compile("^Review new items")).click()
        expect(kim.heading("Review new items")).to_be_visible()
