"""Signing in, the page that staff come to, and what helps who forgot their password."""

from __future__ import annotations

import re

from playwright.sync_api import Browser, expect

from tests.e2e.browser import Visit, visiting
from tests.serving import Served
from tests.worker.cli.test_running import until


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


def test_who_forgot_their_password_sets_another_one_by_the_link_in_an_email(visit: Visit) -> None:
    email = visit.served.email_of("owner@quietbay")  # of the practice without MFA
    # Given somebody at the sign-in page who says that they forgot it
    visit.go("/sign-in")
    visit.link("Forgotten password?").click()
    visit.is_sound()
    visit.page.get_by_label("Email").fill(email)
    visit.button("Send link").click()
    expect(visit.page.get_by_role("status")).to_contain_text("a link to set a new password is on its way")
    # When they open the link in the email
    mailbox = visit.served.mailbox
    until(lambda: any(found.recipient == email for found in mailbox.deliveries()), seconds=30)
    [delivery] = [found for found in mailbox.deliveries() if found.recipient == email]
    text = (mailbox.folder / delivery.file).read_text().replace("=\n", "").replace("=3D", "=")
    found = re.search(r"/set-password#[\w-]+", text)
    assert found is not None
    visit.go(found[0])
    visit.is_sound()
    # Then a common password is refused, and another one signs them in
    for password in ("password1234", visit.served.where["password"] + " again"):
        visit.page.get_by_label("New password", exact=True).fill(password)
        visit.page.get_by_label("Confirm new password").fill(password)
        visit.button("Set password").click()
        if password == "password1234":
            expect(visit.page.get_by_role("alert")).to_contain_text("easy to guess")
            visit.complaints.clear()  # the browser notes the answer's status
    expect(visit.page.get_by_role("status")).to_contain_text("Your password is set")
    visit.page.get_by_label("Email").fill(email)
    visit.page.get_by_label("Password").fill(visit.served.where["password"] + " again")
    visit.button("Sign in").click()
    # Signed in; or they set MFA up first, if another test has made it mandatory there.
    expect(visit.page).to_have_url(re.compile("/clients$|/sign-in/set-up"))


def test_somebody_ends_the_session_that_they_left_open_elsewhere(
    visit: Visit, browser: Browser, served: Served
) -> None:
    # Given a manager who is signed in here and somewhere else
    visit.sign_in("manager")
    with visiting(browser, served) as elsewhere:
        elsewhere.sign_in("manager")
        # When they end the others from the account menu
        visit.page.locator("summary[aria-label^=Account]").click()
        visit.link("Sessions").click()
        expect(visit.page.get_by_text("This browser")).to_be_visible()
        visit.is_sound()
        visit.button("End all other sessions").click()
        expect(visit.page.get_by_role("status")).to_contain_text("signed out everywhere else")
        visit.is_sound()
        # Then the other browser is asked to sign in
        elsewhere.go("/clients")
        elsewhere.heading("Sign in").wait_for()
    visit.go("/account/password")
    visit.is_sound()
