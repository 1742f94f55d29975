"""Every form of the console, posted as each role: what a role may not do answers 403, and no page shows its button."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from handlers.access.operator_roles import RANKS, ROLE_OF, OpsAct, may
from portal_db.states import OperatorRole
from tests.handlers.operations import given as ops
from tests.web.console.desk import OpsDesk, post
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
