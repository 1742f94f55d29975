"""What staff read while something is not as it should be: a lost connection, no worker, an ended session, twice the same."""

from __future__ import annotations

import re

from playwright.sync_api import Browser, expect

from handlers.access import sessions
from portal_db.states import ConnectionState, Role
from tests.e2e.browser import Guest, partner_of, signed_in
from tests.handlers.given import find, run_only, set_connection
from tests.handlers.operations.given import bring_details
from tests.making import importable
from tests.servers.waiting import wait_until
from tests.web.desk import PASSWORD, Desk
from tests.web.pages.people import imported
from tests.world import is_importable_person
from xpm.simulator.serve import SimulatorHandle

NOTES_CLOSED_STREAMS = """
    window.closed_streams = 0;
    const close = EventSource.prototype.close;
    EventSource.prototype.close = function () { window.closed_streams += 1; close.call(this); };
"""
SLOW = {"offline": False, "latency": 500, "downloadThroughput": -1, "uploadThroughput": -1}
UNTIL = re.compile(r"Reconnect by (.+?), or the (?:waiting )?import fails")


def add(guest: Guest, uuid: object) -> None:
    """Add the individual of a window that is filled in as XPM has it."""
    guest.go(f"/clients/add/xpm/{uuid}")
    guest.page.get_by_label("Personal").check()
    guest.page.get_by_label("No", exact=True).check()
    guest.button("Add").click()


def test_a_lost_connection_has_one_time_everywhere_and_a_way_to_mend_it(
    browser: Browser, desk: Desk, simulator: SimulatorHandle
) -> None:
    first, second = importable(simulator)[:2]
    with signed_in(browser, desk, dark=True) as kim:
        page, main = kim.page, kim.page.get_by_role("main")
        # Given an import that waits because the connection was lost meanwhile, and a window that was open
        kim.go(f"/clients/add/xpm/{second.uuid}")
        page.get_by_label("Name", exact=True).fill("As we call them")
        page.get_by_label("Email").fill("")
        set_connection(desk.world, ConnectionState.BROKEN)
        import_id = desk.world.ask(first.uuid)
        desk.world.run_due()
        # Then the window's refusal keeps what was typed and the way out
        kim.button("Add").click()
        expect(page.get_by_label("Name", exact=True)).to_have_value("As we call them")
        expect(page.locator("#email-fault")).to_be_visible()
        expect(kim.button("Reconnect").first).to_be_visible()
        kim.is_sound()
        kim.complaints.clear()  # the browser notes the answer's status
        # And every page says the same time
        told = set()
        for path in ("/clients", "/integration-progress", f"/imports/{import_id}", "/needs-me"):
            kim.go(path)
            expect(kim.button("Reconnect").first).to_be_visible()
            told |= set(UNTIL.findall(main.inner_text()))
            kim.is_sound()
        assert len(told) == 1, told
        # When they reconnect, they are on the way to Xero
        kim.button("Reconnect").first.click()
        expect(kim.heading("Connect Xero Practice Manager")).to_be_visible()
        expect(kim.link("Continue to XPM")).to_be_visible()
        kim.is_sound()
        kim.complaints.clear()


def test_who_has_no_connection_is_told_before_they_ask(
    browser: Browser, desk: Desk, simulator: SimulatorHandle
) -> None:
    client_id = imported(desk, importable(simulator)[0].uuid)
    with signed_in(browser, desk, desk.staff(Role.OWNER)) as owner:
        owner.go(f"/clients/{client_id}/import-items")
        expect(owner.button("Continue")).to_have_count(0)
        expect(owner.page.get_by_role("main").get_by_role("link", name="Integrations").first).to_be_visible()
        owner.is_sound()


def test_who_waits_without_a_worker_reads_their_place_and_who_asks_twice_the_first_one(
    browser: Browser, desk: Desk, simulator: SimulatorHandle
) -> None:
    record = find(simulator, lambda each: is_importable_person(each) and len(each.relationships) > 1)
    with signed_in(browser, desk, width=390) as kim:
        page = kim.page
        # Given an import that no worker has taken for more than a minute
        add(kim, record.uuid)
        expect(page.get_by_text("Waiting to start…").first).to_be_visible()
        first = page.url
        desk.world.pass_time(70)
        page.goto(first)
        expect(page.get_by_text("We are behind; yours is number 1.").first).to_be_visible()
        kim.is_sound()
        kim.fits()
        # When the same record is asked for again, the window says that it is being imported
        kim.go(f"/clients/add/xpm/{record.uuid}")
        expect(page.get_by_text("Being imported.")).to_be_visible()
        # Then it is done, and the page leads to what it brought first of all
        desk.world.run_due()
        page.goto(first)
        expect(kim.heading(f"{record.name} has been added")).to_be_visible()
        second = desk.world.run_import(record.uuid).id
        kim.go(f"/imports/{second}")
        expect(kim.heading("Already a client")).to_be_visible()
        expect(page).to_have_title(re.compile("Already a client"))
        kim.is_sound()
        kim.link("View that import").click()
        expect(page).to_have_url(first)


def test_a_part_that_renews_itself_leaves_the_keyboard_where_it_is(
    browser: Browser, desk: Desk, simulator: SimulatorHandle
) -> None:
    # Given a client with an earlier import, and one that has not begun, whose link has the focus
    world, record = desk.world, importable(simulator)[0]
    import_id = bring_details(world, world.run_import(record.uuid).id)
    with signed_in(browser, desk) as kim:
        page = kim.page
        kim.go("/integration-progress")
        earlier = page.locator("[data-follow] details")
        earlier.locator("summary").click()
        link = page.locator(f'main a[href="/imports/{import_id}"]').first
        link.focus()
        # When the import ends, and the part is there anew
        world.run_due()
        expect(page.locator("[data-follow] .badge")).to_have_text("Succeeded")
        # Then the same link has the focus, and what was unfolded still is
        expect(link).to_be_focused()
        expect(earlier).to_have_attribute("open", "")
        kim.is_sound()
        # An import's page reads out one line, when it changes
        import_id = world.ask(importable(simulator)[1].uuid)
        kim.go(f"/imports/{import_id}")
        said = page.locator("#status")
        expect(said).to_have_text("")
        run_only(world, import_id, "validate_import")
        expect(said).not_to_have_text("")
        expect(page.locator("[data-follow] [role=status], [aria-live]")).to_have_count(0)


def test_a_link_that_is_followed_while_the_work_ends_leads_where_it_says(
    browser: Browser, desk: Desk, simulator: SimulatorHandle
) -> None:
    # Given the page of an import
    import_id = desk.world.ask(importable(simulator)[0].uuid)
    with signed_in(browser, desk) as kim:
        page = kim.page
        page.add_init_script(NOTES_CLOSED_STREAMS)
        kim.go(f"/imports/{import_id}")
        network = page.context.new_cdp_session(page)
        # When the import ends while a link is pressed, whose page takes a while to come
        page.get_by_role("main").get_by_role("link", name="View integration progress").hover()
        page.mouse.down()
        desk.world.run_due()
        wait_until(lambda: page.evaluate("window.closed_streams"), "the page has heard of it")
        network.send("Network.emulateNetworkConditions", SLOW)
        page.mouse.up()
        # Then it leads where it says
        expect(kim.heading("Integration progress")).to_be_visible()


def test_an_open_page_that_follows_work_leads_to_the_sign_in_when_the_session_ends(
    browser: Browser, desk: Desk
) -> None:
    with signed_in(browser, desk) as kim:
        kim.go("/integration-progress")
        desk.world.pass_time(sessions.IDLE_SECONDS + 1)
        expect(kim.heading("Sign in")).to_be_visible()
        kim.complaints.clear()  # the browser notes the answers' status


def test_a_session_that_ends_while_somebody_types_loses_nothing(
    browser: Browser, desk: Desk, simulator: SimulatorHandle
) -> None:
    record = importable(simulator)[0]
    with signed_in(browser, desk) as kim:
        page = kim.page
        kim.go(f"/clients/add/xpm/{record.uuid}")
        page.get_by_label("Name", exact=True).fill("As we call them")
        page.get_by_label("Business").check()
        desk.world.pass_time(sessions.IDLE_SECONDS + 1)
        # When they send the window, they are asked to sign in
        kim.button("Add").click()
        expect(kim.heading("Sign in")).to_be_visible()
        kim.is_sound()
        kim.give(partner_of(desk).email, PASSWORD)
        # Then they are back in it, filled in as it was, and nothing was sent
        expect(page.get_by_text("What you typed is still here")).to_be_visible()
        expect(page.get_by_label("Name", exact=True)).to_have_value("As we call them")
        expect(page.get_by_label("Business")).to_be_checked()
        kim.is_sound()
        assert desk.world.scalar("SELECT count(*) FROM imports") == 0
        page.get_by_label("No", exact=True).check()
        kim.button("Add").click()
        expect(page.get_by_text("Waiting to start…").first).to_be_visible()


def test_an_address_that_leads_nowhere_says_so_in_words_and_keeps_the_navigation(browser: Browser, desk: Desk) -> None:
    with signed_in(browser, desk, width=390, dark=True) as kim:
        for path in ("/clients/not-an-id", "/imports/1", "/nothing", "/clients?page=many", "/clients?assigned=x"):
            kim.go(path)
            words = kim.page.get_by_role("main").inner_text()
            assert not re.search(r"UUID|valid integer|pydantic|Input should|[a-z]+_[a-z]+|Error", words), (path, words)
            expect(
                kim.page.get_by_role("navigation", name="Main").get_by_role("link", name="Client list")
            ).to_be_visible()
            kim.is_sound()
            kim.fits()
        kim.complaints.clear()  # the browser notes the answers' status
