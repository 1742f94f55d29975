"""The list of one's own sessions, and ending them."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.web.desk import API, Desk
from tests.web.http.test_sessions import sign_in
from tests.web.pages.reading import Page, reader

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"


#: The columns of the list.
BROWSER, ADDRESS, BEGAN, SEEN = range(4)


def rows(page: Page) -> list[list[str]]:
    return [[cell.text for cell in row.all("th", "td")] for row in page.main.all("tr")][1:]


def minutes_ago(page: Page, column: int) -> list[int]:
    """How long ago the times in a column are, as browsers are told them."""
    cells = [list(row.all("th", "td")) for row in page.main.all("tr")][1:]
    told = [datetime.fromisoformat(next(row[column].all("time"))["datetime"]) for row in cells]
    return [round((datetime.now(UTC) - at).total_seconds() / 60) for at in told]


def end_forms(page: Page) -> list[str]:
    return [form["action"] for form in page.main.all("form")]


def test_each_session_says_which_browser_where_and_when_and_can_be_ended(any_desk: Desk) -> None:
    person = any_desk.staff()
    other = any_desk.browser(headers={"User-Agent": FIREFOX})
    assert sign_in(other, person.email).status_code == 201
    any_desk.world.pass_time(600)
    assert other.get(f"{API}/session").status_code == 200
    any_desk.world.pass_time(1200)
    visitor = reader(any_desk, person)
    page = visitor.open("/account/sessions")
    assert [(row[BROWSER], row[ADDRESS]) for row in rows(page)] == [
        ("Another program This browser", "127.0.0.1"),
        ("Firefox on Linux", "127.0.0.1"),
    ]
    # The other one began half an hour ago and was last used ten minutes later
    assert [cell.text for cell in page.main.all("th")][BEGAN : SEEN + 1] == ["Signed in", "Last seen"]
    assert (minutes_ago(page, BEGAN), minutes_ago(page, SEEN)) == ([0, 30], [0, 20])
    [end, end_all] = end_forms(page)
    assert end_all == "/account/sessions/others/end"
    left = visitor.send(page, end)
    assert ("The session has ended." in left.text, len(rows(left))) == (True, 1)
    assert end_forms(left) == []
    assert other.get(f"{API}/session").status_code == 401


def test_all_other_sessions_are_ended_at_once(any_desk: Desk) -> None:
    person = any_desk.staff()
    others, colleague = [any_desk.signed_in(person) for _ in range(2)], any_desk.signed_in(any_desk.staff())
    visitor = reader(any_desk, person)
    left = visitor.send(visitor.open("/account/sessions"), "/account/sessions/others/end")
    assert ("signed out everywhere else" in left.text, len(rows(left))) == (True, 1)
    assert {other.get(f"{API}/session").status_code for other in others} == {401}
    assert colleague.get(f"{API}/session").status_code == 200


def test_nobody_sees_or_ends_the_session_of_somebody_else(any_desk: Desk) -> None:
    person = any_desk.staff()
    theirs = any_desk.signed_in(person)
    owner = reader(any_desk, person)
    [end, _] = end_forms(owner.open("/account/sessions"))
    visitor = reader(any_desk, any_desk.staff())
    page = visitor.open("/account/sessions")
    assert len(rows(page)) == 1
    visitor.post(end, {"csrf_token": page.form("/sign-out")["csrf_token"]})
    assert theirs.get(f"{API}/session").status_code == 200


def test_a_session_that_has_ended_is_not_listed(desk: Desk) -> None:
    person = desk.staff()
    desk.signed_in(person)
    desk.world.pass_time(3601)
    assert len(rows(reader(desk, person).open("/account/sessions"))) == 1
