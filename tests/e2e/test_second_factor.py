"""The second factor in a browser: an app and a recovery code, a passkey by Chromium's virtual authenticator."""

from __future__ import annotations

from collections.abc import Iterator

import pyotp
import pytest
from playwright.sync_api import Browser, Page, expect

from handlers.access.confirmation import SECONDS
from tests.e2e.accessible import faults
from tests.web.desk import PASSWORD, Desk, Person, serving
from tests.world import World

OPTIONS = {"protocol": "ctap2", "transport": "internal", "hasUserVerification": True, "isUserVerified": True}


@pytest.fixture
def desk(sqlite_world: World, redis_url: str) -> Iterator[Desk]:
    """A portal whose address is a name: browsers make no passkeys for a number."""
    with serving(sqlite_world, redis_url, host="localhost") as made:
        yield made


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    opened = context.new_page()
    client = context.new_cdp_session(opened)
    client.send("WebAuthn.enable")
    client.send("WebAuthn.addVirtualAuthenticator", {"options": OPTIONS})
    yield opened
    context.close()


def give_password(desk: Desk, page: Page, person: Person) -> None:
    page.goto(f"{desk.url}/sign-in")
    page.get_by_label("Email").fill(person.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def sign_out(page: Page) -> None:
    page.locator("summary[aria-label^=Account]").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_an_app_a_recovery_code_and_a_passkey(desk: Desk, page: Page) -> None:
    person = desk.staff()
    # When somebody signs in for the first time at a firm that mandates MFA, they set an app up
    give_password(desk, page, person)
    key = page.locator("[data-setup-key]").inner_text().replace(" ", "")
    assert faults(page) == []
    page.get_by_label("Code").fill(pyotp.TOTP(key).now())
    page.get_by_role("button", name="Continue").click()
    code = page.get_by_role("list", name="Recovery codes").get_by_role("listitem").first.inner_text()
    assert faults(page) == []
    page.get_by_role("link", name="I have saved them").click()
    # When they add a passkey on the page of their own second factor
    page.goto(f"{desk.url}/account/second-factor")
    page.get_by_label("Name of the device").fill("Work laptop")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("status")).to_contain_text("The passkey is added.")
    assert faults(page) == []
    # When they have to confirm first that it is them, they are asked, and told to do it again
    desk.world.pass_time(SECONDS + 1)
    page.get_by_label("Name of the device").fill("Key ring")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("heading", name="Confirm that it's you")).to_be_visible()
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("status")).to_contain_text("Do it again")
    # Then they sign in with it
    sign_out(page)
    give_password(desk, page, person)
    expect(page.get_by_role("heading", name="Enter your code")).to_be_visible()
    assert faults(page) == []
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", name="Client list")).to_be_visible()
    # And with a recovery code
    sign_out(page)
    give_password(desk, page, person)
    page.get_by_label("Code").fill(code)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Client list")).to_be_visible()


def test_a_passkey_alone_which_also_confirms_acts(desk: Desk, page: Page) -> None:
    person = desk.staff()
    # When somebody sets up a passkey in place of an app
    give_password(desk, page, person)
    page.get_by_label("Name of the device").fill("Work laptop")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("list", name="Recovery codes").get_by_role("listitem")).to_have_count(10)
    page.get_by_role("link", name="I have saved them").click()
    expect(page.get_by_role("heading", name="Client list")).to_be_visible()
    # Then they sign in with it
    sign_out(page)
    give_password(desk, page, person)
    expect(page.get_by_role("heading", name="Use your passkey")).to_be_visible()
    assert faults(page) == []
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", name="Client list")).to_be_visible()
    # And confirm an act with it
    desk.world.pass_time(SECONDS + 1)
    page.goto(f"{desk.url}/account/second-factor")
    expect(page.get_by_role("heading", name="Confirm that it's you")).to_be_visible()
    assert faults(page) == []
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", name="Multi-factor authentication")).to_be_visible()
    assert faults(page) == []
