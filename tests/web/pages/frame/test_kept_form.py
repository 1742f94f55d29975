"""What somebody typed is there again after they had to sign in again; in their own browser, and for an hour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import pytest

from handlers.access import kept_form, sessions
from handlers.access.sessions import Session
from tests.handlers.given import find
from tests.making import importable
from tests.web.desk import PASSWORD, Desk
from tests.web.pages.frame.test_frame import keeps_the_rules
from tests.web.pages.people import connected, partners_email
from tests.web.pages.reading import Element, Page, Reader
from tests.world import is_importable_person
from xpm.simulator.serve import SimulatorHandle

TYPED = "Gwen <Mitchell>"


@dataclass
class Typing:
    """Somebody in a window, whose session ends before they send it."""

    desk: Desk
    visitor: Reader
    path: str
    window: Page

    @classmethod
    def begun(cls, desk: Desk, simulator: SimulatorHandle) -> Self:
        visitor, path = connected(desk), f"/clients/add/xpm/{importable(simulator)[0].uuid}"
        return cls(desk, visitor, path, visitor.open(path))

    def send(self, **typed: str) -> Page:
        values = {**self.window.form(self.path), "name": TYPED, "send_welcome_email": "yes", **typed}
        headers = {"Referer": f"{self.desk.url}{self.path}?kind=individual"}
        return Page.of(self.visitor.browser.post(self.path, data=values, headers=headers))

    def sign_in(self, page: Page, email: str | None = None) -> Page:
        return self.visitor.send(page, "/sign-in", email=email or partners_email(self.desk), password=PASSWORD)

    def held(self) -> Sequence[tuple[str, str]] | None:
        """What is kept for the session in this browser."""
        world, session = self.desk.world, Session(self.visitor.browser.cookies["session"])
        return kept_form.read(world.database, world.services.settings, session, self.path)

    def kept(self) -> object:
        return self.desk.world.scalar("SELECT count(*) FROM kept_forms")


@pytest.fixture
def typing(desk: Desk, simulator: SimulatorHandle) -> Typing:
    return Typing.begun(desk, simulator)


def test_the_window_is_filled_as_it_was(typing: Typing) -> None:
    typing.desk.world.pass_time(sessions.IDLE_SECONDS + 1)
    page = typing.send()
    assert page.path == "/sign-in"
    assert "Gwen" not in str(typing.desk.world.scalar("SELECT content FROM kept_forms"))
    back = keeps_the_rules(typing.sign_in(page))
    assert (back.path, "What you typed is still here" in back.text) == (typing.path, True)
    form = back.form(typing.path)
    assert (form["name"], form["send_welcome_email"]) == (TYPED, "yes")
    assert typing.desk.world.scalar("SELECT count(*) FROM imports") == 0
    # Elsewhere nothing is filled, and what is sent now is done
    assert TYPED not in typing.visitor.open("/clients/add/xpm", said="kept").text
    assert typing.visitor.send(back, typing.path, send_welcome_email="no").path.startswith("/imports/")


def test_nobody_else_gets_it(typing: Typing) -> None:
    typing.desk.world.pass_time(sessions.IDLE_SECONDS + 1)
    page = typing.send()
    assert typing.held() is not None
    assert typing.sign_in(page, typing.desk.staff().email).path != "/sign-in"
    assert (typing.held(), typing.kept()) == (None, 1)


def test_it_is_kept_for_an_hour(typing: Typing) -> None:
    typing.desk.world.pass_time(sessions.IDLE_SECONDS + 1)
    typing.send()
    assert typing.held() is not None
    typing.desk.world.pass_time(kept_form.SECONDS + 1)
    assert typing.held() is None


def test_only_a_session_that_has_just_ended_keeps_anything(typing: Typing, simulator: SimulatorHandle) -> None:
    typing.desk.world.pass_time(sessions.IDLE_SECONDS + 1)
    # Not what is too large, which is said when they are back; nor what has no token of the session
    page = typing.send(name="a" * kept_form.MOST_BYTES)
    assert typing.send(csrf_token="x" * 64).status == 403
    assert typing.kept() == 0
    back = typing.sign_in(page)
    assert (back.path, "what you typed was not kept" in back.text) == (typing.path, True)
    # Not one that nobody had, or that ended long ago
    typing.visitor.browser.cookies.set("session", "x" * 43, domain="127.0.0.1", path="/")
    assert typing.send().path == "/sign-in"
    assert typing.kept() == 0
    again = Typing.begun(typing.desk, simulator)
    again.desk.world.pass_time(sessions.IDLE_SECONDS + kept_form.SECONDS + 1)
    assert again.send().path == "/sign-in"
    assert again.kept() == 0


def boxes(page: Page, name: str) -> list[Element]:
    """The boxes to tick that a page has under a name."""
    return [box for box in page.root.all("input") if (box["type"], box["name"]) == ("checkbox", name)]


def ticked(page: Page, name: str) -> set[str]:
    return {box["value"] for box in boxes(page, name) if "checked" in box.attributes}


def test_the_ticks_of_a_list_are_there_again(desk: Desk, simulator: SimulatorHandle) -> None:
    """Of the Client list, and of a client's queue of items to review."""
    person = find(simulator, lambda each: is_importable_person(each) and len(each.relationships) > 2)
    client_id = desk.world.run_import(person.uuid).client_id
    other = str(desk.entity(desk.partner, "Blue Reef Pty Ltd"))
    for path, form, name in (("/clients", "/clients/chosen", "client"), (f"/clients/{client_id}/review", "", "item")):
        form = form or f"{path}/ignore"
        visitor = connected(desk)
        page = visitor.open(path)
        offered = [box["value"] for box in boxes(page, name)]
        chosen = other if other in offered else offered[0]
        assert (len(offered) > 1, ticked(page, name)) == (True, set())
        # Given one of several is ticked, and the session ends
        desk.world.pass_time(sessions.IDLE_SECONDS + 1)
        sent = visitor.browser.post(
            form, data={**page.form(form), name: chosen}, headers={"Referer": f"{desk.url}{path}"}
        )
        # When they sign in again, then it is ticked, and no other
        back = visitor.send(Page.of(sent), "/sign-in", email=partners_email(desk), password=PASSWORD)
        assert ("What you typed is still here" in back.text, ticked(keeps_the_rules(back), name)) == (True, {chosen})
