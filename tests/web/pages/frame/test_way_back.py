"""A page that answers a form stands at the form's address, and may show nothing there by itself: who signs in or confirms
comes back to one that does."""

from __future__ import annotations

from fastapi.routing import APIRoute

from handlers import refusals
from handlers.access import sessions
from handlers.access.confirmation import SECONDS
from tests.web.desk import PASSWORD, Desk
from tests.web.http.test_confirmation import at, lax_owner
from tests.web.pages.frame.test_frame import keeps_the_rules
from tests.web.pages.imports.test_batch import without_email
from tests.web.pages.people import connected, partners_email
from tests.web.pages.reading import Page, reader, stranger
from web import pages
from xpm.simulator.serve import SimulatorHandle


def addresses(method: str) -> set[str]:
    routes = [route for part in pages.PARTS for route in part.router.routes if isinstance(route, APIRoute)]
    return {at(route.path) for route in routes if method in (route.methods or ())}


def test_each_page_that_answers_a_form_leads_back_to_one_that_is_there(desk: Desk) -> None:
    shown, tried = addresses("GET"), 0
    visitor = stranger(desk)
    for address in addresses("POST"):
        asked = visitor.browser.post(address, headers={"Referer": f"{desk.url}{address}?q=reef"})
        if asked.url.path == "/sign-in" and asked.history:
            tried += 1
            assert Page.of(asked).form("/sign-in")["next"].partition("?")[0] in shown, address
    assert tried > 40


def test_a_refused_role_leads_back_to_the_member(desk: Desk) -> None:
    person = lax_owner(desk)
    visitor, path = reader(desk, person), f"/admin/staff/{person.staff_id}"
    token = {"csrf_token": visitor.open(path).form("/sign-out")["csrf_token"], "role": "basic"}
    refused = visitor.post(f"{path}/role", token)
    assert (refused.path, refusals.OWN_ROLE.message in refused.text) == (f"{path}/role", True)
    headers = {"Referer": f"{desk.url}{refused.path}"}
    # When they confirm that it is them, or sign in again
    for seconds, asks, given in (
        (SECONDS + 1, "/confirm", {"given": PASSWORD}),
        (sessions.IDLE_SECONDS + 1, "/sign-in", {"email": person.email, "password": PASSWORD}),
    ):
        desk.world.pass_time(seconds)
        asked = Page.of(visitor.browser.post(f"{path}/role", data=token, headers=headers))
        back = keeps_the_rules(visitor.send(asked, asks, **given))
        assert (asked.path, back.status, back.path) == (asks, 200, path)


def test_a_correction_that_is_refused_leads_back_to_the_import(desk: Desk, simulator: SimulatorHandle) -> None:
    visitor = connected(desk)
    path = f"/imports/{desk.world.run_import(without_email(simulator).uuid).id}"
    page = visitor.open(path)
    refused = visitor.send(page, f"{path}/again", email="", name="Gwen Mitchell")
    assert (refused.path, set(refused.faults())) == (f"{path}/again", {"email"})
    desk.world.pass_time(sessions.IDLE_SECONDS + 1)
    form = {**refused.form(refused.path), "email": "own@client.example"}
    headers = {"Referer": f"{desk.url}{refused.path}"}
    asked = Page.of(visitor.browser.post(refused.path, data=form, headers=headers))
    back = keeps_the_rules(visitor.send(asked, "/sign-in", email=partners_email(desk), password=PASSWORD))
    assert (back.status, back.path, back.form(f"{path}/again")["email"]) == (200, path, "own@client.example")
