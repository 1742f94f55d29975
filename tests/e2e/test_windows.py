"""Windows open over the page, by mouse and by keyboard; what is typed into them is not lost; and without JavaScript, or
where a dialog cannot be had, they are pages."""

from __future__ import annotations

import re
import sqlite3

import pytest
from playwright.sync_api import Browser, Dialog, Locator, Page, Request, Route, expect

from tests.e2e.browser import Visit, visiting
from tests.serving import Served
from tests.worker.cli.test_running import until

WIDE = "() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def cookies(browser: Browser, served: Served) -> dict[str, str]:
    """Of a partner who has signed in."""
    with visiting(browser, served) as found:
        found.sign_in("partner")
        return {str(each["name"]): str(each["value"]) for each in found.page.context.cookies()}


def return_to(visit: Visit, cookies: dict[str, str]) -> None:
    """Be the partner."""
    visit.page.context.add_cookies(
        [{"name": name, "value": value, "url": visit.served.url} for name, value in cookies.items()]
    )


@pytest.fixture
def client(visit: Visit, cookies: dict[str, str]) -> str:
    """The address of a connected entity's page, which a partner is at."""
    return_to(visit, cookies)
    return to_client(visit)


def to_client(visit: Visit) -> str:
    """Go to the page of the entity that was imported first, which no other test changes."""
    clients = visit.page.get_by_role("row", name=re.compile("Connected")).locator("th .name")

    def imported() -> bool:
        visit.go("/clients?kind=entity")
        return clients.count() > 0

    until(imported)
    clients.last.click()
    expect(visit.heading("Details")).to_be_visible()
    return visit.page.url


def sign_in_again(visit: Visit, who: str) -> None:
    """On the sign-in page that a link or a form led to."""
    email = visit.served.email_of(who)
    visit.page.get_by_label("Email").fill(email)
    visit.page.get_by_label("Password").fill(visit.served.where["password"])
    visit.button("Sign in").click()
    visit.give_code(visit.served.recovery_codes[email].pop())


def window(page: Page) -> Locator:
    return page.locator("#over")


def sent(page: Page) -> list[Request]:
    """The forms that are sent from now on."""
    found: list[Request] = []
    page.on("request", lambda request: found.append(request) if request.method == "POST" else None)
    return found


def test_a_window_opens_over_the_page_and_closes_to_where_it_was_opened(visit: Visit, client: str) -> None:
    page, over = visit.page, window(visit.page)
    # When a window is opened by mouse, then it begins in its first field, over the page
    visit.link("Edit").click()
    expect(page.get_by_role("dialog", name=re.compile("^Edit "))).to_be_visible()
    expect(over.get_by_label("Name", exact=True)).to_be_focused()
    assert page.url == client
    visit.is_sound()
    # The page below stays where it is
    page.mouse.move(20, 800)
    page.mouse.wheel(0, 2_000)
    page.wait_for_timeout(200)
    assert page.evaluate("scrollY") == 0
    # Escape, Cancel and the cross close it, and the focus is on the link again
    page.keyboard.press("Escape")
    expect(over).to_be_hidden()
    for close in ("Cancel", "Close"):
        expect(visit.link("Edit")).to_be_focused()
        page.keyboard.press("Enter")
        over.get_by_role("link", name=close).click()
        expect(over).to_be_hidden()
    expect(visit.link("Edit")).to_be_focused()
    # From a menu, it is on the menu's button
    page.get_by_label("More actions for").click()
    page.get_by_role("list", name="Xero Practice Manager").get_by_role("link", name="Import items").click()
    expect(over.get_by_label("Entity information")).to_be_visible()
    page.keyboard.press("Escape")
    expect(over).to_be_hidden()
    expect(page.get_by_label("More actions for")).to_be_focused()
    # In a new tab it is a page
    with page.context.expect_page() as opened:
        visit.link("Edit").click(modifiers=["Control"])
    expect(opened.value).to_have_url(f"{client}/edit")
    expect(opened.value.get_by_label("Name", exact=True)).to_be_focused()
    expect(over).to_be_hidden()


def test_a_form_that_leads_to_another_place_on_the_page_shows_it_anew(visit: Visit, client: str) -> None:
    """As from one item of a review queue to the next: only the place differs, and a browser would scroll to it."""
    page, place = visit.page, f"{client}#details"

    def lead(route: Route) -> None:
        if route.request.method == "POST":
            route.fulfill(status=200, headers={"Location": place})
        else:
            route.continue_()

    page.route("**/edit", lead)
    visit.link("Edit").click()
    with page.expect_response(lambda answer: answer.url == client and answer.request.resource_type == "document"):
        window(page).get_by_role("button", name="Save").click()
    expect(page).to_have_url(place)
    expect(window(page)).to_be_hidden()


def test_what_is_typed_is_not_lost_by_escape(visit: Visit, client: str) -> None:
    page, over, answers = visit.page, window(visit.page), [False, False, True]

    def asked(dialog: Dialog) -> None:
        assert dialog.message == "Close without saving what you typed?"
        dialog.accept() if answers.pop(0) else dialog.dismiss()

    page.on("dialog", asked)
    visit.link("Edit").click()
    over.get_by_label("Name", exact=True).fill("Typed")
    page.keyboard.press("Escape")
    expect(over.get_by_label("Name", exact=True)).to_have_value("Typed")
    assert len(answers) == 2
    over.evaluate("dialog => dialog.requestClose()")  # as Back does on a phone
    expect(over.get_by_label("Name", exact=True)).to_have_value("Typed")
    assert len(answers) == 1
    page.keyboard.press("Escape")
    expect(over).to_be_hidden()
    # On the page, too, Escape closes an open menu and not the window
    visit.go(f"{client.removeprefix(visit.served.url)}/edit")
    page.locator("summary[aria-label^=Account]").click()
    page.keyboard.press("Escape")
    expect(page.locator("summary[aria-label^=Account]")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page).to_have_url(client)


def test_a_refusal_stays_in_the_window_and_success_leads_on(visit: Visit, client: str) -> None:
    page, over, posts = visit.page, window(visit.page), sent(visit.page)
    visit.link("Edit").click()
    name, kind = over.get_by_label("Name", exact=True), over.get_by_label("Entity type")
    was = name.input_value(), kind.input_value()
    other = "Super Fund" if was[1] != "Super Fund" else "Company"
    # When the form is refused, then the window says so, and what was typed is there
    kind.select_option(other)
    name.fill("")
    visit.button("Save").click()
    expect(over.locator("[data-errors]")).to_be_focused()
    expect(over.locator("#over-name-fault")).to_be_visible()
    expect(name).to_have_attribute("aria-describedby", re.compile("over-name-fault"))
    expect(kind).to_have_value(other)
    assert page.url == client
    visit.is_sound()
    over.locator("[data-errors] a").click()
    expect(name).to_be_focused()
    page.keyboard.press("Escape")  # which asks, and the browser of a test answers no
    expect(kind).to_have_value(other)
    # When it is corrected, and sent with two clicks, then it is sent once, and the page says what was done
    kind.select_option(was[1])
    name.fill(was[0])
    visit.button("Save").dblclick()
    expect(page.get_by_role("status").first).to_contain_text("Saved.")
    expect(page).to_have_url(client)
    assert len(posts) == 2
    visit.complaints.clear()  # the browser notes the answer's status


def test_a_window_leads_to_the_next_one(visit: Visit, client: str) -> None:
    page, over = visit.page, window(visit.page)
    visit.link("Send a task").first.click()
    over.get_by_role("link", name="Add a connection").click()
    expect(page.get_by_role("dialog", name="Add a connection")).to_be_visible()
    expect(over.get_by_label("Name", exact=True)).to_be_focused()
    assert page.url == client
    page.keyboard.press("Escape")
    expect(visit.link("Send a task").first).to_be_focused()


def test_where_no_window_can_be_had_the_link_leads_to_the_page(visit: Visit, client: str) -> None:
    page, over = visit.page, window(visit.page)

    def only_pages(route: Route) -> None:
        route.abort() if "x-window" in route.request.headers else route.continue_()

    page.route("**/edit", only_pages)
    visit.link("Edit").click()
    expect(page).to_have_url(f"{client}/edit")
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    page.unroute("**/edit")
    # Of somebody who has signed out elsewhere, to the sign-in page and from there to the window
    page.goto(client)
    page.context.clear_cookies()
    visit.link("Edit").click()
    expect(page).to_have_url(re.compile(r"/sign-in\?.*next=.*edit$"))
    sign_in_again(visit, "partner")
    expect(page).to_have_url(f"{client}/edit")
    expect(over).to_be_hidden()
    visit.complaints.clear()  # that a request failed is what was meant


@pytest.mark.usefixtures("client")
def test_a_form_that_reaches_nobody_can_be_sent_again(visit: Visit) -> None:
    page, over = visit.page, window(visit.page)
    visit.link("Edit").click()
    name = over.get_by_label("Name", exact=True)
    name.fill("Typed")
    page.route("**/edit", lambda route: route.abort())
    visit.button("Save").click()
    expect(over.get_by_role("alert")).to_contain_text("What you typed is still here")
    expect(name).to_have_value("Typed")
    visit.is_sound()
    # Also where an error of another kind is the answer, which is told in its own words
    page.unroute("**/edit")
    over.locator("[name=csrf_token]").first.evaluate("field => (field.value = 'of another session')")
    visit.button("Save").click()
    expect(over.get_by_role("alert")).not_to_contain_text("What you typed is still here")
    expect(over.get_by_role("alert")).to_be_visible()
    expect(name).to_have_value("Typed")
    visit.complaints.clear()  # that requests failed is what was meant


def test_who_leaves_while_a_form_is_sent_sees_the_page_as_it_is_then(visit: Visit, client: str) -> None:
    page, over = visit.page, window(visit.page)
    page.evaluate("document.body.dataset.before = 'yes'")
    page.route("**/edit", lambda route: None if route.request.method == "POST" else route.continue_())
    visit.link("Edit").click()
    visit.button("Save").click()
    over.get_by_role("link", name="Cancel").click()
    expect(page.locator("body[data-before]")).to_have_count(0)
    expect(page).to_have_url(client)
    expect(over).to_be_hidden()


def test_what_was_typed_is_there_after_signing_in_again(visit: Visit) -> None:
    page, over = visit.page, window(visit.page)
    visit.sign_in("owner")
    client = to_client(visit)
    visit.link("Edit").click()
    over.get_by_label("Name", exact=True).fill("Typed before the session ended")
    # When the session ends before the form is sent
    with sqlite3.connect(visit.served.mailbox.folder.parent / "portal-sync.db", timeout=30) as database:
        ended = """UPDATE staff_sessions SET idle_until = datetime('now', '-1 minute') WHERE staff_id IN
            (SELECT staff.id FROM staff JOIN logins ON login_id = logins.id WHERE email = ?)"""
        assert database.execute(ended, (visit.served.email_of("owner"),)).rowcount
    visit.button("Save").click()
    expect(visit.heading("Sign in")).to_be_visible()
    sign_in_again(visit, "owner")
    # Then the window is a page, filled in as it was
    expect(page.get_by_text("What you typed is still here")).to_be_visible()
    assert page.url == f"{client}/edit"
    expect(page.get_by_label("Name", exact=True)).to_have_value("Typed before the session ended")


@pytest.mark.usefixtures("client")
def test_a_page_that_is_followed_does_not_reload_below_a_window(visit: Visit) -> None:
    page, over, waiting = visit.page, window(visit.page), list[Route]()
    page.route("**/integration-progress/events*", lambda route: waiting.append(route))
    visit.menu("Integration progress")
    page.evaluate("document.body.dataset.before = 'yes'")
    page.locator("summary", has_text="Advanced search").click()
    panel = page.get_by_role("search", name="Advanced search")
    panel.get_by_label("Xero Practice Manager").check()
    page.locator("#advanced-results").get_by_role("link", name=re.compile("^Import ")).first.click()
    over.get_by_label("Name", exact=True).or_(over.get_by_label("Entity name")).fill("Typed")
    # When the work ends meanwhile, then the page waits for the window
    until(lambda: bool(waiting))
    waiting.pop().fulfill(content_type="text/event-stream", body="event: closed\ndata: {}\n\n")
    page.wait_for_timeout(500)
    expect(over.locator("[data-touched]")).to_be_visible()
    page.on("dialog", lambda dialog: dialog.accept())
    page.keyboard.press("Escape")
    expect(page.locator("body[data-before]")).to_have_count(0)
    expect(visit.heading("Integration progress")).to_be_visible()


def test_on_a_phone_a_window_fits(client: str, cookies: dict[str, str], browser: Browser, served: Served) -> None:
    with visiting(browser, served, width=390) as phone:
        return_to(phone, cookies)
        phone.page.goto(client)
        phone.link("Edit").click()
        expect(window(phone.page).get_by_label("Name", exact=True)).to_be_focused()
        assert phone.page.evaluate(WIDE), "the page is wider than the phone"
        box = window(phone.page).bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        phone.is_sound()
        window(phone.page).get_by_role("button", name="Archive client").scroll_into_view_if_needed()
        expect(window(phone.page).get_by_role("button", name="Archive client")).to_be_in_viewport()
        assert phone.complaints == []


def test_without_javascript_a_window_is_a_page(visit: Visit, client: str, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False, storage_state=visit.page.context.storage_state())
    page = context.new_page()
    page.goto(client)
    page.get_by_role("link", name="Edit").click()
    expect(page).to_have_url(f"{client}/edit")
    page.get_by_label("Name", exact=True).fill("")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#name-fault")).to_be_visible()
    page.get_by_role("link", name="Cancel").click()
    expect(page).to_have_url(client)
    context.close()
