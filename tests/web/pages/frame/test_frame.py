"""What every page keeps to: headers, no inline script or style, labels, headings in order; and errors are pages too."""

from __future__ import annotations

import re
from itertools import pairwise

from fastapi.routing import APIRoute
from sqlalchemy.exc import OperationalError

from handlers.errors import RequestRefused
from portal_db.states import Role
from tests.web.desk import API, Desk
from tests.web.pages.reading import Page, reader, stranger
from web import pages
from web.http import static_files
from web.http.headers import HEADERS


def keeps_the_rules(page: Page) -> Page:
    """Check a page by the rules that hold for each of them."""
    headers = page.answer.headers
    policy = headers["content-security-policy"]
    assert "unsafe" not in policy
    needed = {
        "default-src 'none'",
        "script-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    }
    assert needed <= set(policy.split("; "))
    assert headers["cache-control"] == "no-store"
    ids = [item["id"] for item in page.root.all() if item["id"]]
    assert len(ids) == len(set(ids)), ids
    for item in page.root.all():
        assert not [name for name in item.attributes if name == "style" or name.startswith("on")], item
        assert item.tag != "style"
        if item.tag == "script":
            assert item["src"].startswith("/static/")
            assert not item.text
        for name in ("href", "src", "action"):
            assert re.match(r"/(?![/\\])|#|$", item[name]), item[name]
        if item["href"].startswith("#"):
            assert item["href"][1:] in ids, item["href"]
        for name in ("aria-describedby", "aria-labelledby", "for"):
            assert set(item[name].split()) <= set(ids), (name, item[name])
        if item.tag in ("input", "select", "textarea") and item["type"] != "hidden":
            wrapped = item.parent is not None and item.parent.tag == "label"
            assert wrapped or item["id"] in page.labels().values(), item.attributes
        if item.tag == "form" and item["method"] == "post" and not item["action"].startswith(OPEN_FORMS):
            assert "csrf_token" in page.form(item["action"])
    levels = [int(item.tag[1]) for item in page.root.all("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels)), levels
    assert len(list(page.root.all("main"))) == 1
    return page


#: Forms of people who have no session yet.
OPEN_FORMS = ("/sign-in", "/set-password", "/forgotten-password", "/activate")


def every_page() -> list[str]:
    """The pages that need no id of anything; parts of pages are none."""
    routes = [route for part in pages.PARTS for route in part.router.routes if isinstance(route, APIRoute)]
    return [
        route.path
        for route in routes
        if "GET" in (route.methods or ()) and not re.search(r"\{|/(results|standing|events)$|\.csv$", route.path)
    ]


def test_every_page_keeps_the_rules(desk: Desk) -> None:
    visitor, anybody = reader(desk, desk.staff(Role.OWNER)), stranger(desk)
    paths = every_page()
    assert len(paths) > 3
    for path in paths:
        keeps_the_rules(visitor.open(path))
        keeps_the_rules(anybody.open(path))


def test_what_is_not_there_and_what_breaks_are_pages_for_browsers_and_problems_for_programs(desk: Desk) -> None:
    @desk.app.get("/breaks/{how}")
    def breaks(how: str) -> None:
        raise {
            "down": OperationalError("SELECT secret", {}, Exception("secret")),
            "forbidden": RequestRefused("not_allowed", "No.", "Ask."),
            "bug": ValueError("secret"),
        }[how]

    visitor = stranger(desk)
    expected = {
        "/nothing": (404, "Page not found"),
        "/breaks/forbidden": (403, "You don't have access to this"),
        "/breaks/down": (503, "The portal is temporarily unavailable"),
        "/breaks/bug": (500, "Something went wrong"),
    }
    for path, shown in expected.items():
        page = keeps_the_rules(visitor.open(path))
        assert (page.status, page.heading) == shown
        assert "secret" not in page.answer.text
        assert page.links()["Go to the Client list"] == "/clients"
        assert desk.browser().get(path).headers["content-type"] == "application/problem+json"
    assert visitor.browser.get(f"{API}/nothing").headers["content-type"] == "application/problem+json"


def test_an_address_with_something_odd_in_it_is_not_there(desk: Desk) -> None:
    visitor = reader(desk, desk.staff())
    assert visitor.open("/clients", kind="robot").status == 404
    assert visitor.open("/clients", page="nonsense").status == 404
    assert visitor.open("/review", cursor="nonsense").status == 404


def test_a_form_that_is_too_large_is_refused_with_a_page(desk: Desk) -> None:
    page = stranger(desk).post("/sign-in", {"email": "a" * 100_000})
    assert (page.status, page.heading) == (413, "Too large")


def test_style_sheets_and_scripts_are_kept_by_browsers_until_they_change(desk: Desk) -> None:
    browser = desk.browser()
    page = stranger(desk).open("/sign-in")
    addresses = [item["src"] or item["href"] for item in page.root.all("script", "link")]
    assert len(addresses) > 4
    for address in addresses:
        answer = browser.get(address)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == HEADERS["x-content-type-options"]
    older = browser.get(addresses[0].replace(static_files.DIGEST, "0" * 16))
    assert (older.status_code, older.headers["cache-control"]) == (404, "no-store")
    assert browser.get(f"/static/{static_files.DIGEST}/..%2Fapp.py").status_code == 404


def test_messages_are_named_by_code_and_never_quoted(desk: Desk) -> None:
    visitor = stranger(desk)
    assert "You have signed out." in visitor.open("/sign-in", said="signed-out").text
    assert "Call this number" not in visitor.open("/sign-in", said="Call this number").text
