"""What could be automated is limited by person and by practice: a clear 429 that says when to try again."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from uuid import UUID, uuid4

import httpx
import pytest
from limits import RateLimitItemPerHour

from handlers.imports import batch_file
from handlers.imports.batch_rows import BadFile, BadLine, Row
from portal_db.states import Role
from tests.making import importable
from tests.servers.waiting import wait_until
from tests.web.api.test_tasks import send
from tests.web.desk import API, Desk
from tests.web.pages.reading import reader
from tests.world import World
from web import counting, usage
from web.counting import REST_SECONDS, SharedCounts
from web.usage import Use
from worker.local.processes import LOOPBACK
from xpm.simulator.serve import SimulatorHandle

Ask = Callable[[httpx.Client, UUID], httpx.Response]

ROWS = {"rows": [{"xpm_uuid": str(UUID(int=1)), "kind": "entity"}]}


def invite(program: httpx.Client, client_id: UUID, key: str | None = None) -> httpx.Response:
    return program.post(f"{API}/clients/{client_id}/welcome-email", headers={"Idempotency-Key": key or uuid4().hex})


USES: dict[Use, Ask] = {
    Use.SEARCH: lambda program, _: program.get(f"{API}/search?q=ab"),
    Use.PREFLIGHT: lambda program, _: program.post(f"{API}/batches/preflight", json=ROWS),
    Use.BATCH: lambda program, _: program.post(f"{API}/batches", json=ROWS, headers={"Idempotency-Key": uuid4().hex}),
    Use.WELCOME_EMAIL: invite,
    Use.TASK: send,
    Use.API_KEY: lambda program, _: program.post(f"{API}/api-keys", json={"name": "x", "scopes": ["read"]}),
    Use.EXPORT: lambda program, _: program.get(f"{API}/batches/{uuid4()}/result"),
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
    client_id = desk.client(desk.partner).client_id
    first, second, elsewhere = (
        desk.program(person) for person in (desk.staff(Role.OWNER), desk.staff(Role.OWNER), desk.other_practice())
    )
    assert [refused(USES[use](first, client_id)) for _ in range(3)] == [False, False, True]
    assert [refused(USES[use](second, client_id)) for _ in range(2)] == [False, True], "the practice has had its own"
    assert not refused(USES[use](elsewhere, client_id))


@pytest.mark.parametrize(
    ("use", "path"),
    [(Use.PREFLIGHT, f"{API}/batches/preflight"), (Use.BATCH, f"{API}/batches")],
    ids=["check", "request"],
)
def test_who_has_sent_too_many_files_has_none_read(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, use: Use, path: str
) -> None:
    read = files_read(monkeypatch)
    monkeypatch.setitem(usage.LIMITS, use, (RateLimitItemPerHour(1), RateLimitItemPerHour(9)))
    program, headers = desk.program(), {"Content-Type": "text/csv", "Idempotency-Key": "one"}
    assert [refused(program.post(path, content=b"x", headers=headers)) for _ in range(2)] == [False, True]
    assert len(read) == 1


def test_nor_has_who_uploads_them_at_the_page(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    read = files_read(monkeypatch)
    monkeypatch.setitem(usage.LIMITS, Use.PREFLIGHT, (RateLimitItemPerHour(1), RateLimitItemPerHour(9)))
    visitor = reader(desk, desk.staff(Role.OWNER))
    form = visitor.open("/clients").form("/sign-out")
    files = {"file": ("rows.csv", b"x")}
    answers = [visitor.browser.post("/batches/csv", data=form, files=files).status_code for _ in range(2)]
    assert (answers, len(read)) == ([422, 429], 1)


def files_read(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The files that are read from now on, of which none can be."""
    read: list[bytes] = []

    def note(content: bytes) -> Iterator[Row | BadLine]:
        read.append(content)
        raise BadFile("is none")

    monkeypatch.setattr(batch_file, "read", note)
    return read


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
    assert row.client_id is not None
    assert invite(desk.program(people[0]), row.client_id).is_success
    visitor = reader(desk, people[1])
    page = visitor.post(path, visitor.open(path).form(path))
    assert page.status == 429
    assert "welcome email" in page.text


def test_a_retry_is_no_further_email_to_a_client(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, simulator: SimulatorHandle
) -> None:
    # Given two clients who may get one email each
    monkeypatch.setattr(usage, "EMAILS_TO_A_CLIENT", RateLimitItemPerHour(1))
    rows = [desk.world.run_import(person.uuid) for person in importable(simulator)[:3]]
    of_program, of_page, of_list = (row.client_id for row in rows)
    assert of_program is not None
    # When a program sends one request again and again
    answers = [invite(desk.program(), of_program, "one").status_code for _ in range(6)]
    # Then each is answered as the first one
    assert answers == [202] + [200] * 5
    # And so is a form that is sent again, of the client's page and of the list
    visitor, path = reader(desk, desk.staff(Role.OWNER)), f"/clients/{of_page}/invite"
    form = visitor.open(path)
    assert [visitor.send(form, path).status for _ in range(2)] == [200, 200]
    ticked = {**visitor.open("/clients").form("/clients/chosen"), "act": "invite", "client": [str(of_list)]}
    pages = [visitor.browser.post("/clients/chosen", data=ticked).text for _ in range(2)]
    assert ["too often" in page for page in pages] == [False, False]
    # And each client has one email
    desk.world.run_due()
    assert len(desk.world.mail.deliveries()) == 3


def test_what_strangers_ask_for_uses_up_nothing_of_a_client(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, simulator: SimulatorHandle
) -> None:
    # Given a client who may get one email and one task
    for limit in ("EMAILS_TO_A_CLIENT", "TASKS_TO_A_CLIENT"):
        monkeypatch.setattr(usage, limit, RateLimitItemPerHour(1))
    client_id = desk.world.run_import(importable(simulator)[0].uuid).client_id
    assert client_id is not None
    # When people of another firm ask for them, and a colleague who may not see the client
    for person in (desk.other_practice(), desk.staff(Role.MANAGER)):
        stranger = desk.program(person)
        assert [ask(stranger, client_id).status_code for ask in (invite, send) for _ in range(2)] == [404] * 4
    # Then the client's own firm can send both
    assert [ask(desk.program(), client_id).status_code for ask in (invite, send)] == [202, 201]


def test_one_client_gets_so_many_tasks_whoever_sends_them(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a client who may get two tasks
    monkeypatch.setattr(usage, "TASKS_TO_A_CLIENT", RateLimitItemPerHour(2))
    client_id = desk.client(desk.partner).client_id
    path = f"/clients/{client_id}/tasks/new"
    program, visitor = desk.program(), reader(desk, desk.staff(Role.OWNER))
    # When a program and a person have sent one each
    form = visitor.open(path)
    assert send(program, client_id, "one").status_code == 201
    assert visitor.send(form, path, title="Sign").status == 200
    # Then neither sends another
    assert refused(send(program, client_id))
    page = visitor.send(visitor.open(path), path, title="Sign again")
    assert (page.status, "This was done too often in a short time: task." in page.text) == (429, True)
    # But whoever repeats a request is told that it was done
    assert send(program, client_id, "one").status_code == 200
    assert visitor.send(form, path, title="Sign").status == 200
    assert len(program.get(f"{API}/clients/{client_id}/tasks").json()["items"]) == 2


def test_without_redis_a_process_counts_its_own(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = desk.world.services.settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
    portal = desk.app.state.portal
    uses = usage.UsageLimits(SharedCounts(settings, portal.services.sources, "usage"))
    desk.app.state.portal = replace(portal, uses=uses)
    monkeypatch.setitem(usage.LIMITS, Use.SEARCH, (RateLimitItemPerHour(1), RateLimitItemPerHour(3)))
    program = desk.program()
    assert [refused(USES[Use.SEARCH](program, uuid4())) for _ in range(2)] == [False, True]


class SilentRedis:
    """Takes connections and never answers."""

    def __init__(self, listener: socket.socket) -> None:
        listener.setblocking(False)
        self.url = f"redis://{LOOPBACK}:{listener.getsockname()[1]}/0"
        self._listener = listener
        self._came: list[socket.socket] = []

    @property
    def connections(self) -> int:
        """How many have come: who gets no answer begins another one when it asks again."""
        with suppress(BlockingIOError):
            while True:
                self._came.append(self._listener.accept()[0])
        return len(self._came)

    def close(self) -> None:
        for each in (self._listener, *self._came):
            each.close()


@pytest.fixture
def silent_redis() -> Iterator[SilentRedis]:
    with closing(SilentRedis(socket.create_server((LOOPBACK, 0)))) as made:
        yield made


def counts_on(redis: SilentRedis, world: World, clock: list[float]) -> SharedCounts:
    """Counts on this Redis, which has been asked once, in vain."""
    settings = world.services.settings.model_copy(update={"redis_url": redis.url})
    counts = SharedCounts(settings, replace(world.services.sources, monotonic=lambda: clock[0]), "usage")
    assert counts.take([(RateLimitItemPerHour(2), "search", "kim")]) is None
    return counts


def test_a_redis_that_does_not_answer_is_asked_once_in_a_while(
    sqlite_world: World, silent_redis: SilentRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a Redis that did not answer
    monkeypatch.setattr(counting, "SOCKET_SECONDS", 0.1)
    clock = [0.0]
    counts, budget = counts_on(silent_redis, sqlite_world, clock), (RateLimitItemPerHour(2), "search", "kim")
    before = silent_redis.connections
    assert before > 0
    # When more is counted
    clock[0] += REST_SECONDS - 1
    exceeded = [counts.take([budget]) is not None for _ in range(2)]
    # Then it was counted on, and Redis was not asked
    assert exceeded == [False, True]
    assert silent_redis.connections == before
    # But is when it has rested
    clock[0] += 1
    assert counts.take([budget]) is not None
    assert silent_redis.connections > before


def test_while_one_thread_asks_redis_again_no_other_waits_for_it(
    sqlite_world: World, silent_redis: SilentRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "SOCKET_SECONDS", 1.0)
    clock = [0.0]
    counts, budget = counts_on(silent_redis, sqlite_world, clock), (RateLimitItemPerHour(9), "search", "kim")
    before = silent_redis.connections
    clock[0] += REST_SECONDS
    with ThreadPoolExecutor(1) as other:
        asking = other.submit(counts.take, [budget])
        wait_until(lambda: silent_redis.connections > before, "it is asked again")
        assert counts.take([budget]) is None
        assert silent_redis.connections == before + 1
        assert asking.result() is None
