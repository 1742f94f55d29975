"""An authenticator app, as a person has it on their phone: it was given a key, and shows codes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pyotp

from tests.web.desk import PASSWORD, Desk, Person
from tests.web.pages.reading import Page, Reader, stranger

SET_UP, CODE = "/sign-in/set-up", "/sign-in/code"


@dataclass
class Phone:
    """The app with a key, and the recovery codes that were noted."""

    key: str
    recovery: list[str] = field(default_factory=list)

    @classmethod
    def scanning(cls, page: Page) -> Phone:
        """The app, given the key that a page shows."""
        shown = next(item for item in page.main.all("code") if "data-setup-key" in item.attributes)
        return cls(shown.text.replace(" ", ""))

    def code(self, *, later: int = 0) -> str:
        """The code that it shows, now or so many times 30 seconds later; the portal accepts one of each, and one step's
        difference between clocks."""
        at = datetime.now(UTC) + timedelta(seconds=30 * later)
        return pyotp.TOTP(self.key).at(at)

    def wrong(self) -> str:
        """A code that is right at no time close to now."""
        near = {self.code(later=step) for step in range(-3, 4)}
        return next(code for code in map("{:06}".format, range(9)) if code not in near)


def recovery_codes(page: Page) -> list[str]:
    return [code.text for code in page.main.all("code") if "data-setup-key" not in code.attributes]


def password_given(desk: Desk, person: Person) -> tuple[Reader, Page]:
    """Somebody who typed their password, and the page that it led to."""
    visitor = stranger(desk)
    page = visitor.send(visitor.open("/sign-in"), "/sign-in", email=person.email, password=PASSWORD)
    return visitor, page


def enrolled(desk: Desk, person: Person) -> tuple[Reader, Phone]:
    """Somebody who set up an app when they signed in, and is signed in."""
    visitor, page = password_given(desk, person)
    assert page.path == SET_UP, page.text
    phone = Phone.scanning(page)
    shown = visitor.send(page, SET_UP, code=phone.code())
    phone.recovery = recovery_codes(shown)
    return visitor, phone
