"""Every form of the console, posted as each role: what a role may not do answers 403, and no page shows its button."""

from __future__ import annotations

import re
from collections.abc import Iterator
from uuid import uuid4

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from handlers.access.operator_roles import RANKS, ROLE_OF, OpsAct, may
from portal_db.states import OperatorRole
from tests.handlers.operations import given as ops
from tests.web.console.desk import OpsDesk, post, serving
from tests.web.pages.reading import Page
from tests.world import World
from web.console.app import PARTS
from xpm.simulator.serve import SimulatorHandle

#: Forms that need no role: every operator may sign in and out.
FREE = {"/sign-in", "/sign-in/code", "/sign-out", "/set-password"}


def acts_of(dependant: Dependant) -> Iterator[OpsAct]:
    for each in dependant.dependencies:
        if (act := getattr(each.call, "act", None)) is not None:
            yield act
        yield from acts_of(each)


def forms() -> dict[str, OpsAct]:
    """Every form that acts, by its path."""
    found = {}
    for part in PARTS:
        for route in part.router.routes:
            if isinstance(route, APIRoute) and "POST" in (route.methods or ()) and route.path not in FREE:
                [act] = acts_of(route.dependant)
                found[route.path] = act
    return found


def test_every_form_names_its_act_and_every_act_has_a_form() -> None:
    assert set(forms().values()) == set(ROLE_OF) == set(OpsAct)
    assert len(forms()) > 15


def test_each_role_may_do_what_the_table_says(ops_desk: OpsDesk) -> None:
    refused: dict[OperatorRole, set[str]] = {}
    for role in RANKS:
        reader = ops_desk.signed_in(role, name=role.value)
        refused[role] = set()
        for path in forms():
            real = path
            for name in ("job_id", "import_id", "bulk_id", "practice_id", "email_id", "directory_id", "message_id"):
                real = real.replace(f"{{{name}}}", str(uuid4()))
            answer = post(reader, real, action="requeue", reason="a ticket")
            assert answer.status_code < 500, (path, answer.text)
            if answer.status_code == 403:
                refused[role].add(path)
    for role in RANKS:
        assert refused[role] == {path for path, act in forms().items() if not may(role, act)}
    assert refused[OperatorRole.WATCHER] == set(forms())
    assert refused[OperatorRole.ADMIN] == set()


def test_a_watcher_sees_everything_and_no_button(ops_desk: OpsDesk, simulator: SimulatorHandle) -> None:
    world = ops_desk.world
    import_id, job_id = ops.dead_validation(world, simulator)
    reader = ops_desk.signed_in(OperatorRole.WATCHER)
    pages = ["/", "/inbox", "/dead", "/jobs", "/imports", "/practices", "/schedules", "/audit", "/system"]
    pages += [f"/jobs/{job_id}", f"/imports/{import_id}", f"/practices/{world.practice_id}"]
    pages += ["/dead/act?action=requeue&all=yes", "/jobs?ended=yes", "/audit?who=everybody"]
    for path in pages:
        page = reader.open(path)
        assert page.status == 200, (path, page.text)
        posts = {form["action"] for form in page.root.all("form") if form["method"] == "post"}
        assert posts == {"/sign-out"}, path


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_no_input_ends_in_an_error_of_ours(world: World, redis_url: str) -> None:
    searched = ("q", "after", "name", "who", "action", "until", "state", "next", "ended")
    typed = ("reason", "action", "q", "per_minute", "lane", "kind", "practice", "name", "email", "count", "shown")
    with serving(world, redis_url) as desk:
        browser = desk.signed_in(OperatorRole.ADMIN).browser
        token = Page.of(browser.get("/system")).form("/pauses")["csrf_token"]
        for nonsense in ("\x00", "a" * 400, "%'", "0001-01-01", "age:>999999d", "group://", "9" * 5000):
            for page in ("/dead", "/jobs", "/imports", "/practices", "/audit", "/sign-in"):
                answer = browser.get(page, params=dict.fromkeys(searched, nonsense))
                assert answer.status_code < 500, (page, nonsense)
            for path in forms():
                real = re.sub(r"[{]\w+[}]", str(uuid4()), path)
                answer = browser.post(real, data={"csrf_token": token, **dict.fromkeys(typed, nonsense)})
                assert answer.status_code < 500, (path, nonsense, answer.text)
