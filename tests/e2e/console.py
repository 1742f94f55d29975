"""An operator at a browser: signing in for the first time, going about, and what the browser complains of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from playwright.sync_api import Browser, Page, expect

from portal_db.states import OperatorRole
from tests.e2e.accessible import faults
from tests.e2e.browser import WAIT_MS
from tests.web.console.desk import OpsDesk
from tests.web.desk import PASSWORD
from tests.web.pages.account.codes import Phone


@dataclass
class Operator:
    """An operator at their browser. `complaints` are the browser's: broken scripts, policies broken."""

    page: Page
    url: str
    complaints: list[str]

    def go(self, path: str) -> None:
        self.page.goto(f"{self.url}{path}")

    def click(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def is_sound(self) -> None:
        assert faults(self.page) == [], self.page.url


@contextmanager
def operating(
    browser: Browser, desk: OpsDesk, name: str, role: OperatorRole = OperatorRole.OPERATOR
) -> Iterator[Operator]:
    """Somebody who has signed in for the first time."""
    _, email = desk.operator(role, name)
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    context.set_default_timeout(WAIT_MS)
    found = Operator(context.new_page(), desk.url, [])
    found.page.on("pageerror", lambda error: found.complaints.append(str(error)))
    found.page.on("console", lambda told: found.complaints.append(told.text) if told.type == "error" else None)
    try:
        sign_in(found, email)
        yield found
        assert found.complaints == []
    finally:
        context.close()


def sign_in(operator: Operator, email: str) -> None:
    operator.go("/sign-in")
    operator.is_sound()
    operator.page.get_by_label("Email").fill(email)
    operator.page.get_by_label("Password").fill(PASSWORD)
    operator.click("Continue")
    expect(operator.page.get_by_role("img", name="QR code for your authenticator app")).to_be_visible()
    operator.is_sound()
    phone = Phone(operator.page.locator(".id").first.inner_text().replace(" ", ""))
    operator.page.get_by_label("Code", exact=True).fill(phone.code())
    operator.click("Sign in")
    operator.page.get_by_role("link", name="I have kept them").click()
    expect(operator.page.get_by_role("heading", name="Now", exact=True)).to_be_visible()
