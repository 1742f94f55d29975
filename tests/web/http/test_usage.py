"""What could be automated is limited by person and by practice: a clear 429 that says when to try again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID, uuid4

import httpx
import pytest
from limits import RateLimitItemPerHour

from portal_db.states import Role
from tests.making import importable
from tests.web.desk import API, Desk
from tests.web.pages.reading import reader
from web import usage
from web.counting import SharedCounts
from web.usage import Use
from xpm.simulator.serve import SimulatorHandle

Ask = Callable[[httpx.Client], httpx.Response]

ROWS = {"rows": [{"xpm_uuid": str(UUID(int=1)), "kind": "entity"}]}
USES: dict[Use, Ask] = {
    Use.SEARCH: lambda program: program.get(f"{API}/search?q=ab"),
    Use.PREFLIGHT: lambda program: program.post(f"{API}/batches/preflight", json=ROWS),
    Use.WELCOME_EMAIL: lambda program: program.post(
        f"{API}/clients/{uuid4()}/welcome-email", headers={"Idempotency-Key": uuid4().hex}
    ),
    Use.API_KEY: lambda program: program.post(f"{API}/api-keys", json={"name": "x", "scopes": ["read"]}),
    Use.EXPORT: lambda program: program.get(f"{API}/batches/{uuid4()}/result"),
}


def refused(answer: httpx.Response) -> bool:
    if answer.status_code != 429:
        return False
    told = answer.json()
    assert told["code"] == "too_many_requests"
    assert "Try again in" in told["remedy"]
    assert 0 < int(answer.headers["retry-after"]) <= 3600
    return True


@pytest.mark.parametrize("use", USES)
def test_a_person_and_a_practice_may_do_it_so_often(desk: Desk, monkeypatch: pytest.MonkeyPatch, use: Use) -> None:
    monkeypatch.setitem(usage.LIMITS, use, (RateLimitItemPerHour(2), RateLimitItemPerHour(3)))
    first, second, elsewhere = (
        desk.program(person) for person in (desk.staff(Role.OWNER), desk.staff(Role.OWNER), desk.other_practice())
    )
    assert [refused(USES[use](first)) for _ in range(3)] == [False, False, True]
    assert [refused(USES[use](second)) for _ in range(2)] == [False, True], "the practice has had its own"
    assert not refused(USES[use](elsewhere))


@pytest.mark.parametrize("path", [f"{API}/clients", f"{API}/review-items", "/clients", "/review"])
def test_a_list_counts_as_a_search_where_words_are_given(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setitem(usage.LIMITS, Use.SEARCH, (RateLimitItemPerHour(2), RateLimitItemPerHour(9)))
    person = desk.signed_in(desk.staff(Role.OWNER))
    answers = [person.get(path, params={"q": words}).status_code for words in ("", "reef", "   ", "reef", "reef", "")]
    assert answers == [200, 200, 200, 200, 429, 200]


def test_one_client_gets_so_many_emails_whoever_presses_the_button(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, simulator: SimulatorHandle
) -> None:
    monkeypatch.setattr(usage, "EMAILS_TO_A_CLIENT", RateLimitItemPerHour(1))
    row = desk.world.run_import(importable(simulator)[0].uuid)
    path = f"/clients/{row.client_id}/invite"
    people = [desk.staff(Role.OWNER), desk.staff(Role.ACCOUNT_ADMIN)]
    assert (
        desk.program(people[0])
        .post(f"{API}/clients/{row.client_id}/welcome-email", headers={"Idempotency-Key": "one"})
        .is_success
    )
    visitor = reader(desk, people[1])
    page = visitor.post(path, visitor.open(path).form(path))
    assert page.status == 429
    assert "welcome email" in page.text


def test_without_redis_a_process_counts_its_own(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = desk.world.services.settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
    portal = desk.app.state.portal
    uses = usage.UsageLimits(SharedCounts(settings, portal.services.sources, "usage"))
    desk.app.state.portal = replace(portal, uses=uses)
    monkeypatch.setitem(usage.LIMITS, Use.SEARCH, (RateLimitItemPerHour(1), RateLimitItemPerHour(3)))
    program = desk.program()
    assert [refused(USES[Use.SEARCH](program)) for _ in range(2)] == [False, True]
