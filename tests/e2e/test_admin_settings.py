"""Admin settings: an owner invites a colleague, gives them a client, sets the look of emails, and makes an API key."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.e2e.browser import Visit


def test_an_owner_sets_the_firm_up(visit: Visit) -> None:
    page = visit.page
    visit.sign_in("owner")
    # When a colleague is invited
    visit.menu("Staff")
    visit.link("Invite somebody").click()
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    page.get_by_label("Name", exact=True).fill("Gwen Mitchell")
    page.get_by_label("Email", exact=True).fill("gwen@harbour.example")
    visit.is_sound()
    visit.button("Send invitation").click()
    expect(page.get_by_role("link", name="Gwen Mitchell", exact=True)).to_be_visible()
    visit.is_sound()
    # And a client assigned to them, then they have it
    visit.menu("Client list")
    page.locator("tbody input[type=checkbox]").first.check()
    page.get_by_label("Colleague", exact=True).select_option(label="Gwen Mitchell")
    page.get_by_role("button", name="Assign selected", exact=True).click()
    expect(page.get_by_text("1 assigned.")).to_be_visible()
    visit.is_sound()
    visit.menu("Staff")
    page.get_by_role("link", name="Gwen Mitchell", exact=True).click()
    expect(visit.link("1 assigned")).to_be_visible()
    visit.is_sound()
    visit.link("Deactivate").click()
    expect(visit.heading("Deactivate Gwen Mitchell?")).to_be_visible()
    visit.is_sound()
    page.keyboard.press("Escape")
    expect(visit.heading("Deactivate Gwen Mitchell?")).to_be_hidden()
    expect(visit.heading("Gwen Mitchell")).to_be_visible()
    # When the look is set, and a key made, it is shown once
    visit.menu("Firm")
    page.get_by_label("Colour", exact=True).fill("#2b6e4f")
    visit.button("Save").nth(1).click()
    expect(page.get_by_label("Colour", exact=True)).to_have_value("#2b6e4f")
    visit.is_sound()
    visit.menu("API keys")
    visit.link("New key").first.click()
    page.get_by_label("Name", exact=True).fill("Practice ledger")
    visit.is_sound()
    visit.button("Make the key").click()
    expect(page.get_by_role("dialog").locator("code")).to_contain_text("psk_")
    page.keyboard.press("Escape")  # which does not take it away
    expect(page.get_by_role("dialog").locator("code")).to_be_visible()
    visit.is_sound()
    visit.link("I have saved it").click()
    expect(page.get_by_text("Practice ledger").first).to_be_visible()
    # And all of it is in the audit
    visit.menu("Audit")
    for act in ("Added a colleague", "Assigned a client", "Changed the look of client pages", "Made an API key"):
        expect(page.get_by_text(act).first).to_be_visible()
    visit.is_sound()
