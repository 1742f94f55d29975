"""Staff and clients sign in on one page, and each session reaches its own side only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import ModuleType
from uuid import UUID, uuid4

from fastapi.routing import APIRoute

from portal_db.states import Role
from tests.web.desk import API, PASSWORD, Desk
from tests.web.pages.client_side.given import HOME, client_reader, signing_in
from tests.web.pages.frame.test_frame import OPEN_FORMS
from tests.web.pages.reading import Reader, reader
from web import api, pages
from web.pages.frame.visitor import CLIENT_SIDE, OWN_ACCOUNT

#: Pages that need no session, and those that everybody who is signed in has; then the calls that need no session.
FOR_ANYBODY = (*OPEN_FORMS, OWN_ACCOUNT, "/confirm", "/sign-out")
OPEN_CALLS = ("/session", "/password", "/activation")


def routes() -> Iterator[tuple[str, str, str]]:
    """Every route that needs a session of one side: `staff` or `client`, its method, its path."""
    calls = [part for part in vars(api).values() if isinstance(part, ModuleType) and hasattr(part, "router")]
    for part, prefix in [*((part, "") for part in pages.PARTS), *((part, API) for part in calls)]:
        for route in part.router.routes:
            if (
                not isinstance(route, APIRoute)
                or route.path == "/"
                or route.path.startswith(OPEN_CALLS if prefix else FOR_ANYBODY)
            ):
                continue
            side = "client" if route.path.startswith(CLIENT_SIDE) and not prefix else "staff"
            for method in sorted(route.methods or ()):
                yield side, method, prefix + re.sub(r"\{\w+\}", str(uuid4()), route.path)


def is_turned_away(visitor: Reader, method: str, path: str) -> bool:
    """Whether the way to this route ends at the sign-in page, or without an answer."""
    given = {"csrf_token": visitor.browser.headers["X-CSRF-Token"]}
    answer = visitor.browser.request(method, path, data=given if method != "GET" else None, follow_redirects=False)
    to_sign_in = answer.status_code == 303 and answer.headers["location"].startswith("/sign-in?said=sign-in")
    return to_sign_in or answer.status_code in (401, 404)


def test_each_side_is_out_of_reach_for_the_other(desk: Desk) -> None:
    owner = desk.staff(Role.OWNER)
    client, staff = client_reader(desk, desk.client(owner)), reader(desk, owner)
    for visitor, home in ((client, HOME), (staff, "/clients")):
        visitor.browser.headers["X-CSRF-Token"] = visitor.open(home).form("/sign-out")["csrf_token"]
    found = list(routes())
    assert {side for side, _, _ in found} == {"staff", "client"}
    assert len(found) > 60
    for side, method, path in found:
        assert is_turned_away(client if side == "staff" else staff, method, path), (side, method, path)


def test_one_page_signs_both_in_and_leads_each_to_their_side(desk: Desk) -> None:
    owner = desk.staff(Role.OWNER)
    account = desk.client(owner)
    for next_page in ("/clients", "https://evil.example", "//evil.example"):
        visitor = client_reader(desk, account)
        assert visitor.open("/sign-in", next=next_page).path == HOME
        assert visitor.open("/").path == HOME
    assert reader(desk, owner).open("/sign-in", next=HOME).path == "/clients"
    # One browser is signed in as one of them
    visitor = client_reader(desk, account)
    before = visitor.browser.cookies["session"]
    given = {"email": owner.email, "password": PASSWORD}
    assert visitor.browser.post("/sign-in", data=given, follow_redirects=False).headers["location"] == "/clients"
    assert desk.browser(cookies={"session": before}).get(HOME).status_code == 401


def test_a_client_is_nobody_to_the_api(desk: Desk) -> None:
    account = desk.client(desk.staff())
    answer = desk.browser().post(f"{API}/session", json={"email": account.email, "password": PASSWORD})
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_credentials")


def test_only_clients_with_an_active_account_who_are_not_archived_sign_in(desk: Desk) -> None:
    account = desk.client(desk.staff())
    visitor = client_reader(desk, account)

    def do(statement: str, row: UUID) -> None:
        with desk.world.database.engine.begin() as connection:
            connection.exec_driver_sql(statement, (row.hex,))

    do("UPDATE clients SET archived_at = created_at WHERE id = ?", account.client_id)
    assert (visitor.open(HOME).path, signing_in(desk, account)[1].status) == ("/sign-in", 401)
    do("UPDATE clients SET archived_at = NULL WHERE id = ?", account.client_id)
    assert visitor.open(HOME).path == HOME
    do("UPDATE logins SET activated_at = NULL WHERE id = ?", account.login_id)
    assert (visitor.open(HOME).path, signing_in(desk, account)[1].status) == ("/sign-in", 401)
