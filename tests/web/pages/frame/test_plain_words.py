"""No technical text reaches a page: not from pydantic, not from an address, not from a file."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest

from portal_db.states import ClientKind
from tests.web.desk import Desk
from tests.web.pages.frame.test_frame import keeps_the_rules
from tests.web.pages.people import connected
from tests.web.pages.reading import Page

#: What pydantic, Python and SQL say.
TECHNICAL = re.compile(
    r"Input should|valid UUID|String should|[Vv]alue.error|type=|Traceback|JSON|\bNone\b|pydantic|\bSELECT\b"
)
LONG = "x" * 600


def is_plain(page: Page) -> Page:
    found = TECHNICAL.search(page.main.text)
    assert found is None, page.main.text
    return keeps_the_rules(page)


@pytest.mark.parametrize("path", ["clients/nonsense", "imports/1", "batches/%00", "clients/nonsense/review/2/import"])
def test_an_id_that_is_none_is_not_found(desk: Desk, path: str) -> None:
    visitor = connected(desk)
    token = visitor.open("/clients").form("/sign-out")
    for page in (visitor.open(f"/{path}"), visitor.post(f"/{path}", token)):
        assert is_plain(page).status in (404, 405)


def test_a_filter_that_is_none_is_not_found(desk: Desk) -> None:
    visitor = connected(desk)
    for query in ({"kind": "robot"}, {"q": LONG}, {"page": "nonsense"}):
        assert is_plain(visitor.open("/clients", **query)).status == 404


def test_values_that_do_not_fit_a_form_are_told_in_plain_words(desk: Desk) -> None:
    visitor = connected(desk)
    client_id = desk.entity(desk.partner)
    path = f"/clients/{client_id}"
    connection = visitor.open(f"{path}/connections/new")
    for typed in ({"name": LONG}, {"name": "Jo", "relationship": "x" * 200}, {"name": "Jo", "access": "robot"}):
        told = is_plain(visitor.send(connection, f"{path}/connections/new", **{"relationship": "Director", **typed}))
        assert told.status == 422, typed
    visitor.send(connection, f"{path}/connections/new", name="Jo", relationship="Director")
    task = visitor.open(f"{path}/tasks/new")
    for typed in ({"title": LONG}, {"title": "x", "due_date": "soon"}, {"title": "x", "kind": "robot"}, {"title": ""}):
        told = is_plain(visitor.send(task, f"{path}/tasks/new", **typed))
        assert told.status == 422, typed
    window = visitor.post(
        f"/clients/add/xpm/{uuid4()}",
        {**task.form("/sign-out"), "kind": ClientKind.ENTITY, "name": LONG, "entity_type": "Trust"},
    )
    assert is_plain(window).status == 422


@pytest.mark.parametrize(
    "line",
    ["nonsense,individual,,", f"{uuid4()},robot,,", f"{uuid4()},individual,{LONG},", f"{uuid4()},entity,,x@y.example",
     f"{uuid4()},individual,,,more", ",,,"],
    ids=["id", "kind", "long", "email of an entity", "too many", "nothing"],
)  # fmt: skip
def test_a_bad_line_of_a_file_is_told_in_plain_words(desk: Desk, line: str) -> None:
    visitor = connected(desk)
    token = visitor.open("/batches/new").form("/batches/csv")["csrf_token"]
    csv = f"xpm_uuid,kind,name,email\n{line}\n"
    answer = visitor.browser.post("/batches/csv", data={"csrf_token": token}, files={"file": ("a.csv", csv)})
    assert is_plain(Page.of(answer)).status == 422
