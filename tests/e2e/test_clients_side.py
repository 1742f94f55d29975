"""A client from the invitation to a completed task: accepts the firm's terms, sets up a second factor, and does what they
are asked; the firm sees it."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

from tests.e2e import records
from tests.e2e.browser import SET_UP, Visit, visiting
from tests.serving import Served
from tests.worker.cli.test_running import until
from worker.local.serve import links

NEW_PASSWORD = "quiet water under the bridge"
TASK = "Sign the engagement letter"


def link_to(served: Served, address: str, subject: str) -> str:
    """The link in the email with this subject that came for an address."""

    def mails() -> list[str]:
        found = [each for each in served.mailbox.deliveries() if each.recipient.casefold() == address.casefold()]
        return [link for each in found if subject in each.subject for link in links(each, served.mailbox)]

    until(lambda: bool(mails()))
    (link,) = mails()
    return link


def test_a_client_is_invited_activates_and_completes_a_task(visit: Visit, browser: Browser, served: Served) -> None:
    record, page = records.people(served)[3], visit.page
    # Given the firm's terms, and a client who was added and invited
    visit.sign_in("owner@harbour")
    visit.go("/admin/terms")
    page.get_by_label("Or their text").fill("Be kind to each other.")
    visit.is_sound()
    visit.button("Save terms").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    visit.page.context.clear_cookies()
    visit.sign_in("partner")
    visit.go(f"/clients/add/xpm/{record['uuid']}")
    page.get_by_label("Personal").check()
    page.get_by_label("Yes").check()
    visit.button("Add").click()
    expect(visit.heading(f"{record['name']} has been added")).to_be_visible()
    link = link_to(served, record["email"], "Welcome")
    with visiting(browser, served, width=390) as client:
        # When they open the link, accept the terms and choose a password
        client.page.goto(link)
        expect(client.heading("Activate your account")).to_be_visible()
        expect(client.page.get_by_text("Be kind to each other.")).to_be_visible()
        client.is_sound()
        client.page.get_by_label("Password", exact=True).fill(NEW_PASSWORD)
        client.page.get_by_label("Confirm password").fill(NEW_PASSWORD)
        client.page.get_by_label("I accept the terms of use").check()
        client.button("Activate").click()
        # Then they set up a second factor, which the firm mandates, and are at home
        expect(client.heading(SET_UP)).to_be_visible()
        codes = client.set_up_app()
        client.link("I have saved them").click()
        expect(client.heading("Your tasks")).to_be_visible()
        expect(client.page.get_by_text("Your account is active.")).to_be_visible()
        client.menu("Your details")
        expect(client.heading(record["name"])).to_be_visible()
        client.is_sound()
        client.page.goto(link)
        expect(client.heading("This account is already active")).to_be_visible()
        # When the firm sends them a task
        visit.page.get_by_role("main").get_by_role("link", name="Send a task").click()
        page.get_by_label("Task", exact=True).fill(TASK)
        visit.button("Send task").click()
        expect(page.get_by_role("status").first).to_contain_text("Task sent.")
        task = link_to(served, record["email"], "A task from")
        # Then the email leads to it by way of the sign-in, and they complete it
        client.page.context.clear_cookies()
        client.page.goto(task)
        client.page.get_by_label("Email").fill(record["email"])
        client.page.get_by_label("Password").fill(NEW_PASSWORD)
        client.button("Sign in").click()
        client.give_code(codes.pop())
        expect(client.heading(TASK)).to_be_visible()
        client.is_sound()
        client.page.get_by_label("Note to").fill("Signed; see my email.")
        client.button("Mark as completed").click()
        expect(client.page.get_by_text("Task completed.")).to_be_visible()
        assert client.complaints == []
    # And the firm sees that, with the note
    page.reload()
    expect(page.get_by_text("Signed; see my email.")).to_be_visible()
