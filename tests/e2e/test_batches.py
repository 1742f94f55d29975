"""Importing several at once, live, with one that is turned down, corrected and sent again."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.e2e import records
from tests.e2e.browser import Visit, signed_in
from tests.handlers.directory.given import synced
from tests.making import importable
from tests.web.desk import Desk
from xpm.simulator.serve import SimulatorHandle


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


def test_a_file_names_clients_as_xpm_does_and_is_told_off_by_line(
    browser: Browser, desk: Desk, simulator: SimulatorHandle, tmp_path: Path
) -> None:
    record = importable(simulator)[0]
    synced(desk.world)
    with signed_in(browser, desk) as kim:
        page = kim.page
        kim.go("/batches/new")
        # Given the template, filled in with a client of XPM and with one whom XPM does not have
        with page.expect_download() as download:
            kim.link("Download a template").click()
        header = Path(download.value.path()).read_text(encoding="utf-8-sig").splitlines()[0]
        assert header.split(",")[0] == "client"
        file = tmp_path / "clients.csv"
        file.write_text(f"client,send_welcome_email\nNobody at all,no\n{record.name},no\n")
        page.get_by_label("CSV or Excel file").set_input_files(file)
        kim.button("Check file").click()
        # Then only its line is turned down, in words
        expect(page.get_by_role("alert")).to_contain_text("Line 2: no client in XPM has this name or client code")
        expect(page.get_by_role("alert")).not_to_contain_text("Line 3")
        kim.is_sound()
        kim.complaints.clear()  # the browser notes the answer's status
        # When the file is corrected, it is checked and imported, and no id of XPM is on a page
        file.write_text(f"client,send_welcome_email\n{record.name},no\n")
        page.get_by_label("CSV or Excel file").set_input_files(file)
        kim.button("Check file").click()
        expect(kim.heading("1 of 1 can be imported")).to_be_visible()
        assert str(record.uuid) not in page.get_by_role("main").inner_text()
        kim.button("Import 1").click()
        desk.world.run_due()
        expect(kim.heading("Import complete")).to_be_visible()
        kim.is_sound()
