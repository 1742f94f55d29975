"""The script that shows windows over a page is told where a form leads; nobody else is."""

from __future__ import annotations

from tests.web.desk import Desk
from tests.web.pages.reading import Page, reader, stranger

SCRIPT = {"X-Window": "yes"}


def test_a_script_is_told_where_a_form_leads_with_the_place_on_the_page(desk: Desk) -> None:
    person = desk.staff()
    visitor, path = reader(desk, person), f"/clients/{desk.entity(person)}/edit"
    form = visitor.open(path).form(path)
    told = visitor.browser.post(path, data=form, headers=SCRIPT)
    assert (told.status_code, told.text) == (200, "")
    assert told.headers["location"] == f"{path.removesuffix('/edit')}?said=saved"
    # And a browser is led there
    assert Page.of(visitor.browser.post(path, data=form)).path == path.removesuffix("/edit")


def test_a_refusal_and_a_page_are_what_they_are(desk: Desk) -> None:
    person = desk.staff()
    visitor, path = reader(desk, person), f"/clients/{desk.entity(person)}/edit"
    refused = visitor.browser.post(path, data={**visitor.open(path).form(path), "name": "x" * 600}, headers=SCRIPT)
    assert (refused.status_code, "location" in refused.headers) == (422, False)
    assert visitor.browser.get(path, headers=SCRIPT).text.startswith("<!doctype html>")


def test_who_has_to_sign_in_first_is_told_so(desk: Desk) -> None:
    told = stranger(desk).browser.get("/admin/staff/invite", headers=SCRIPT)
    assert (told.status_code, told.headers["location"]) == (
        200,
        "/sign-in?said=sign-in&next=%2Fadmin%2Fstaff%2Finvite",
    )
