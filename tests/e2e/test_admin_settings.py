"""Admin settings: an owner invites a colleague, gives them a client, sets the look of emails, and makes an API key."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, expect
from sqlalchemy import insert, select

from portal_db.states import Role
from portal_db.tables import SecondFactor, Staff
from portal_db.types import db_now
from tests.e2e.browser import Visit, signed_in
from tests.web.desk import Desk


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


def test_what_a_role_may_not_do_it_is_not_offered(browser: Browser, desk: Desk) -> None:
    desk.entity(desk.partner)
    for role, offered in ((Role.BASIC, False), (Role.OWNER, True)):
        with signed_in(browser, desk, desk.staff(role), dark=True) as somebody:
            navigation = somebody.page.get_by_role("navigation", name="Main")
            expect(navigation.get_by_role("link", name="Audit")).to_have_count(int(offered))
            expect(navigation.get_by_role("link", name="Webhooks")).to_have_count(int(offered))
            somebody.go("/admin/staff")
            expect(somebody.heading("Staff") if offered else somebody.page.get_by_role("main")).to_be_visible()
            somebody.is_sound()
            somebody.complaints.clear()  # the browser notes the answer's status


def test_webhooks_structures_and_a_colleague_who_loses_their_phone_and_leaves(browser: Browser, desk: Desk) -> None:
    owner, colleague = desk.staff(Role.OWNER), desk.staff(Role.MANAGER)
    desk.entity(colleague, "Blue Reef Pty Ltd")
    with desk.world.database.write() as tx:
        login_id = tx.session.scalars(select(Staff.login_id).where(Staff.id == colleague.staff_id)).one()
        tx.session.execute(insert(SecondFactor).values(login_id=login_id, tries=0, set_up_at=db_now()))
    with signed_in(browser, desk, owner) as ines:
        page = ines.page
        # When a webhook is added, its secret is shown once; a test says what its address answered
        ines.menu("Webhooks")
        ines.link("New webhook").first.click()
        page.get_by_label("Address").fill("http://127.0.0.1:9/portal")
        ines.is_sound()
        ines.button("Add").click()
        expect(page.locator("code")).to_contain_text("whsec_")
        ines.is_sound()
        ines.link("I have saved it").click()
        ines.button("Send a test").click()
        desk.world.run_due(limit=5)
        page.reload()
        deliveries = page.get_by_role("region", name="Deliveries")
        expect(deliveries).to_contain_text("Failed")
        expect(deliveries).to_contain_text("The endpoint could not be reached")
        ines.is_sound()
        ines.button("Disable").click()
        expect(ines.button("Send a test and enable")).to_be_visible()
        ines.is_sound()
        # When the firm has a word of its own for a structure in XPM, it says what it means
        ines.menu("Firm")
        page.get_by_label("Business structure in XPM").fill("Bowling Club")
        page.get_by_label("Import as").select_option("Company")
        ines.button("Set").click()
        expect(page.get_by_role("row", name="Bowling Club")).to_contain_text("Company")
        ines.is_sound()
        # When a colleague has lost their phone, their second factor is reset
        ines.menu("Staff")
        page.get_by_role("link", name="A manager", exact=True).click()
        ines.is_sound()
        ines.button("Reset MFA").click()
        expect(page.get_by_role("status")).to_contain_text("multi-factor authentication is reset")
        # When they leave, somebody else has their clients
        ines.link("Deactivate").click()
        page.get_by_label("Hand over to").select_option(index=1)
        ines.is_sound()
        ines.button("Deactivate").click()
        expect(page.get_by_role("status")).to_contain_text("can't sign in any more")
        ines.is_sound()
        # And each of it is in the audit, by area, and in a file
        ines.menu("Audit")
        page.get_by_label("What").select_option(label="Staff")
        ines.button("Filter").click()
        expect(page.get_by_text("Deactivated a colleague").first).to_be_visible()
        expect(page.get_by_text("Added a webhook")).to_have_count(0)
        ines.is_sound()
        with page.expect_download() as download:
            ines.link("Export CSV").click()
        assert "Deactivated a colleague" in Path(download.value.path()).read_text()
