"""The client list's filters, on a desk and on a phone."""

from __future__ import annotations

import re

from playwright.sync_api import Browser, expect

from tests.e2e.browser import Visit, visiting
from tests.serving import Served


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
        wide = "() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        assert phone.page.evaluate(wide), "the page is wider than the phone"
        assert phone.complaints == []
