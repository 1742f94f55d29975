"""Connecting XPM, as the practice's staff do it for themselves."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.e2e.browser import Visit


def test_mfa_first_then_set_up_by_consent_with_a_choice_and_disconnect(visit: Visit) -> None:
    page = visit.page
    # Given the owner of a practice without mandatory MFA
    visit.sign_in("owner@quietbay")
    visit.menu("Integrations")
    visit.is_sound()
    expect(visit.button("Set up")).to_have_count(0)
    visit.link("Set up Firm wide mandatory MFA for staff and clients").click()
    visit.is_sound()
    page.get_by_label("Require MFA for everyone.").check()
    visit.button("Require MFA").click()
    # Then XPM can be set up: by a window that leads to Xero
    expect(page.get_by_role("status")).to_contain_text("MFA is now mandatory")
    visit.button("Set up").click()
    visit.is_sound()
    visit.link("Continue to XPM").click()
    # When they allow access to both of their practices there, then they choose one
    page.get_by_label("Harbour Advisory").check()
    visit.button("Allow access").click()
    expect(visit.heading("Which practice?")).to_be_visible()
    visit.is_sound()
    page.get_by_label("Harbour Advisory").check()
    visit.button("Connect").click()
    expect(page.get_by_role("status")).to_contain_text("Xero Practice Manager is connected.")
    expect(page.get_by_role("main")).to_contain_text("Harbour Advisory in Xero")
    expect(page.get_by_role("main")).to_contain_text("of 5,000")
    visit.is_sound()
    # When they disconnect, they are asked first
    visit.link("Disconnect").click()
    visit.is_sound()
    visit.button("Disconnect").click()
    expect(page.get_by_role("status")).to_contain_text("Xero Practice Manager is disconnected.")
    expect(visit.button("Set up")).to_be_visible()


def test_a_no_at_xero_comes_back_with_what_to_do(visit: Visit) -> None:
    visit.sign_in("manager")
    visit.menu("Integrations")
    visit.button("Set up").click()
    visit.link("Continue to XPM").click()
    visit.button("Cancel").click()
    expect(visit.page.get_by_role("alert")).to_contain_text("Access was not allowed at Xero.")
    visit.is_sound()
    visit.complaints.clear()  # the browser notes the answer's status
