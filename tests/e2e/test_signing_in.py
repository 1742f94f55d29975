"""Signing in, and the page that staff come to."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.e2e.browser import Visit


def test_a_partner_signs_in_and_sees_the_clients(visit: Visit) -> None:
    # Given somebody who asks for a page and is asked to sign in
    visit.go("/clients")
    visit.is_sound()
    # When they type a wrong password, they are told so
    visit.page.get_by_label("Email").fill(visit.served.email_of("partner"))
    visit.page.get_by_label("Password").fill("not the password")
    visit.button("Sign in").click()
    expect(visit.page.get_by_role("alert")).to_contain_text("Incorrect email or password")
    visit.complaints.clear()  # the browser notes the answer's status
    # When they type the right one, then they are there
    visit.sign_in("partner")
    expect(visit.page.get_by_role("table")).to_be_visible()
    visit.is_sound()
