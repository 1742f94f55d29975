"""A browser for tests and screenshots: which one, how it is started, and what a person does with it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pyotp
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, sync_playwright

from tests.e2e.accessible import faults
from tests.serving import Served
from tests.web.desk import PASSWORD, Desk, Person

#: In this order; the variable CHROMIUM goes before them. The first is Chromium without windows, which takes two thirds of
#: the time: Chromium itself also runs the pages of its own toolbars.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
#: A click waits so long for its target, and an expectation for its truth.
WAIT_MS = 20_000.0
SET_UP = "Set up multi-factor authentication"

G = TypeVar("G", bound="Guest")


class NoBrowser(RuntimeError):
    """There is no Chromium here."""


def chromium_path() -> str:
    """The browser to use. Playwright's own is not taken: it is a download that not every machine can make.

    Raises:
        NoBrowser: none was found.
    """
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise NoBrowser(
            "There is no Chromium: install it (Debian: apt-get install chromium-headless-shell), or give"
            " CHROMIUM=/path/to/it"
        )
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS, headless=True)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Guest:
    """Somebody at a portal that has this address. `complaints` are their browser's: broken scripts, policies broken."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list, kw_only=True)

    def go(self, path: str) -> None:
        self.page.goto(f"{self.url}{path}")

    def give(self, email: str, password: str) -> None:
        """Fill in the sign-in page, where they are."""
        self.page.get_by_label("Email").fill(email)
        self.page.get_by_label("Password").fill(password)
        self.button("Sign in").click()

    def note(self, told: ConsoleMessage) -> None:
        """Keep what their browser says of the portal's own pages, not of Xero's."""
        if told.type == "error" and told.location["url"].startswith(self.url):
            self.complaints.append(told.text)

    def where(self) -> str:
        """Where they are and what they read there, for whoever looks into a failure."""
        return f"{self.page.url}\n{self.page.locator('body').inner_text(timeout=2_000)[:3_000]}"

    def is_sound(self) -> None:
        """Check the page that they are at: axe-core finds nothing grave, in light and in dark."""
        assert faults(self.page) == [], self.page.url

    def fits(self) -> None:
        """Check that the page is no wider than the window."""
        wide = "() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        assert self.page.evaluate(wide), f"{self.page.url} is wider than the window"

    def menu(self, name: str) -> None:
        """Go to a page of the main navigation."""
        self.page.get_by_role("navigation", name="Main").get_by_role("link", name=name, exact=True).click()

    def heading(self, name: str) -> Locator:
        return self.page.get_by_role("heading", name=name, exact=True)

    def link(self, name: str | re.Pattern[str]) -> Locator:
        return self.page.get_by_role("link", name=name)

    def button(self, name: str | re.Pattern[str]) -> Locator:
        return self.page.get_by_role("button", name=name)


@dataclass
class Visit(Guest):
    """Somebody at the portal as `portal-sync serve` runs it."""

    served: Served

    def sign_in(self, who: str) -> None:
        """Sign in as the staff member whose address begins so: the first time, they may have to set up a second factor."""
        self.give_password(who)
        codes = self.served.recovery_codes.setdefault(self.served.email_of(who), [])
        found = self.heading("Client list").or_(self.heading("Enter your code")).or_(self.heading(SET_UP))
        found.wait_for()
        if found.inner_text() == SET_UP:
            codes += self.set_up_app()
            self.link("I have saved them").click()
        elif found.inner_text() == "Enter your code":
            self.give_code(codes.pop())
        self.heading("Client list").wait_for()

    def give_password(self, who: str) -> None:
        self.go("/sign-in")
        self.give(self.served.email_of(who), self.served.where["password"])

    def give_code(self, code: str) -> None:
        self.page.get_by_label("Code").fill(code)
        self.button("Sign in").click()

    def set_up_app(self) -> list[str]:
        """Set up an authenticator app; returns the recovery codes that are shown then."""
        key = self.page.locator("[data-setup-key]").inner_text().replace(" ", "")
        self.page.get_by_label("Code").fill(pyotp.TOTP(key).now())
        self.button("Continue").click()
        self.heading("Your recovery codes").wait_for()
        return self.page.get_by_role("list", name="Recovery codes").get_by_role("listitem").all_inner_texts()


@contextmanager
def visiting(browser: Browser, served: Served, *, width: int = 1280, dark: bool = False) -> Iterator[Visit]:
    """Somebody whom the portal does not know yet, with a browser of their own."""
    with _opened(browser, width=width, dark=dark) as page:
        yield _listening(Visit(page, served.url, served))


@contextmanager
def calling(
    browser: Browser, desk: Desk, *, width: int = 1280, dark: bool = False, javascript: bool = True
) -> Iterator[Guest]:
    """Somebody at the portal of a test, where jobs run and time passes when the test says so. At the end their browser must
    have had nothing to complain about."""
    with _opened(browser, width=width, dark=dark, javascript=javascript) as page:
        guest = _listening(Guest(page, desk.url))
        yield guest
        assert guest.complaints == []


@contextmanager
def signed_in(browser: Browser, desk: Desk, person: Person | None = None, **options: Any) -> Iterator[Guest]:
    """Somebody of the firm (the partner, who is connected to XPM), signed in."""
    with calling(browser, desk, **options) as guest:
        guest.go("/sign-in")
        guest.give((person or partner_of(desk)).email, PASSWORD)
        guest.heading("Client list").wait_for()
        yield guest


def partner_of(desk: Desk) -> Person:
    """The partner, Kim, who is connected to XPM."""
    email = str(desk.world.scalar("SELECT email FROM logins JOIN staff ON login_id = logins.id WHERE name = 'Kim'"))
    return desk.with_password(Person(desk.world.practice_id, desk.world.staff_id, email))


@contextmanager
def _opened(browser: Browser, *, width: int, dark: bool, javascript: bool = True) -> Iterator[Page]:
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if dark else "light",
        locale="en-AU",
        timezone_id="Australia/Sydney",
        reduced_motion="reduce",
        java_script_enabled=javascript,
    )
    context.set_default_timeout(WAIT_MS)
    try:
        yield context.new_page()
    finally:
        context.close()


def _listening(guest: G) -> G:
    """Somebody whose browser's complaints are noted."""
    guest.page.on("pageerror", lambda error: guest.complaints.append(str(error)))
    guest.page.on("console", guest.note)
    return guest
