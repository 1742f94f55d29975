"""Bad input, from requests and from XPM: each ends in a clear refusal or a correct import, never in a crash.

Runs alone: `pytest tests/test_bad_input.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from handlers.errors import RequestRefused
from handlers.imports.accept import Accepted, accept, accept_batch
from handlers.imports.request import parse
from handlers.registry import HANDLERS
from portal_db.clients import clients
from portal_db.states import ImportState, JobState
from portal_db.tables import Import
from tests.world import TENANT, World, is_importable_person
from worker.runner.leases import Leases
from worker.runner.runner import Runner
from xpm.client import XpmApi
from xpm.limiter import UnlimitedLimiter
from xpm.simulator.edits import edit
from xpm.simulator.practice.model import Client
from xpm.simulator.serve import SimulatorHandle

HARD_NAMES = {
    "emoji": "Zoë 👩‍👩‍👧 Pizza 🍕",
    "right to left": "محمد حسن דוד כהן",
    "direction marks": "Ada \u202eMoss\u202c \u200fLee",
    "markup": "<b>\"A\" & 'B'</b> ]]> &amp; <!-- --> <![CDATA[x]]>",
    "templates": "{{ 7 * 7 }} {% include 'x' %} ${x} %s %(a)s",
    "SQL": "Robert'); DROP TABLE clients;--",
    "other planes": "\U0001d504\U0001d521\U0001d51e 𠮷野家 \U0001f1e6\U0001f1fa",
    "combining": "a\u0301\u0302\u0303\u0304 Zalgo",
    "longest": "é" * 500,
}


def people(simulator: SimulatorHandle) -> list[Client]:
    return [each for each in simulator.simulator.practices[TENANT].clients.values() if is_importable_person(each)]


def change(simulator: SimulatorHandle, record: Client, **changes: object) -> None:
    edit(record, changes, simulator.simulator.clock.utc())
    simulator.simulator.tenants[TENANT].encoder.forget(None)


def at_once(count: int, do: Callable[[int], object]) -> list[object]:
    """What each of so many threads returned or raised, all having begun at the same instant."""
    results: list[object] = [None] * count
    together = threading.Barrier(count)

    def run(number: int) -> None:
        together.wait()
        try:
            results[number] = do(number)
        except BaseException as error:
            results[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def shown_name(world: World, row: Import) -> str:
    assert row.client_id is not None
    with world.database.read() as tx:
        client = clients.get(tx, row.client_id, practice_id=row.practice_id)
        assert client is not None
        assert client.name == clients.fields(tx, client.id)["name"].value
        return client.name


# ---- requests ----


def body(world: World, **changes: object) -> dict[str, Any]:
    return {
        "practice_id": str(world.practice_id),
        "requested_by": str(world.staff_id),
        "request_id": "window-1",
        "xpm_uuid": str(uuid4()),
        "kind": "individual",
        **changes,
    }


BAD_REQUESTS: dict[str, tuple[dict[str, object], str, str]] = {
    "unknown practice": ({"practice_id": str(uuid4())}, "unknown_practice", "practice_id"),
    "unknown staff": ({"requested_by": str(uuid4())}, "unknown_staff", "requested_by"),
    "a number for a practice": ({"practice_id": 7}, "bad_request", "practice_id"),
    "a list for a uuid": ({"xpm_uuid": []}, "bad_request", "xpm_uuid"),
    "a kind that is none": ({"kind": "trust"}, "bad_request", "kind"),
    "a number for a name": ({"name": 7}, "bad_request", "name"),
    "words for a flag": ({"send_welcome_email": "if you like"}, "bad_request", "send_welcome_email"),
    "an email of two lines": ({"email": "a@mail.example\nBcc: b@mail.example"}, "bad_request", "email"),
    "a name of two lines": ({"name": "Ada\r\nMoss"}, "bad_request", "name"),
    "a name with a null": ({"name": "Ada\0Moss"}, "bad_request", "name"),
    "half a character": ({"name": "Ada \ud83d"}, "bad_request", "name"),
    "a name of 10,000 characters": ({"name": "x" * 10_000}, "bad_request", "name"),
    "an email of 10,000 characters": ({"email": "x" * 10_000 + "@mail.example"}, "bad_request", "email"),
    "a key of 10,000 characters": ({"request_id": "x" * 10_000}, "bad_request", "request_id"),
    "a field nobody knows": ({"is_admin": True}, "bad_request", "is_admin"),
    "an entity with an email": ({"kind": "entity", "email": "a@mail.example"}, "bad_request", "email"),
}


@pytest.mark.parametrize(("changes", "code", "field"), BAD_REQUESTS.values(), ids=BAD_REQUESTS)
def test_a_bad_request_is_refused_and_leaves_no_trace(
    world: World, changes: dict[str, object], code: str, field: str
) -> None:
    with pytest.raises(RequestRefused) as refused:
        accept(world.database, world.bell, parse(body(world, **changes)))
    assert (refused.value.code, refused.value.field) == (code, field)
    assert refused.value.message
    assert refused.value.remedy
    assert len(refused.value.message) < 300, "what was sent comes back in the refusal"
    assert world.scalar("select count(*) from imports") == 0
    assert world.bell.rung == []


@pytest.mark.parametrize("name", HARD_NAMES.values(), ids=HARD_NAMES)
def test_a_hard_name_in_a_request_arrives_as_it_is(world: World, simulator: SimulatorHandle, name: str) -> None:
    name = name[:80]
    row = world.run_import(people(simulator)[0].uuid, name=name, send_welcome_email=True)
    assert (row.state, row.outcome_code) == (ImportState.SUCCEEDED, None)
    assert shown_name(world, row) == name
    assert len(world.mail.deliveries()) == 1


@pytest.mark.parametrize(
    "email",
    [
        "Ünïcode@mail.example",
        "a@b",
        "a@localhost",
        "a@[127.0.0.1]",
        '"a b"@mail.example',
        "🐾@🐾.example",
    ],
)
def test_an_email_that_cannot_be_one_is_turned_down(
    sqlite_world: World, simulator: SimulatorHandle, email: str
) -> None:
    row = sqlite_world.run_import(people(simulator)[0].uuid, email=email)
    assert (row.state, row.outcome_code) == (ImportState.REJECTED, "email_invalid")
    assert sqlite_world.scalar("select count(*) from clients") == 0


# ---- answers of XPM ----


@pytest.mark.parametrize("form", ["json", "xml"])
@pytest.mark.parametrize("name", HARD_NAMES.values(), ids=HARD_NAMES)
def test_a_hard_name_in_xpm_arrives_as_it_is(
    own_sqlite_world: World, own_simulator: SimulatorHandle, name: str, form: str
) -> None:
    record = people(own_simulator)[0]
    change(own_simulator, record, name=name)
    xpm = XpmApi(own_simulator.api_url, UnlimitedLimiter(), prefer="json" if form == "json" else "xml")
    import_id = own_sqlite_world.ask(record.uuid, send_welcome_email=True)
    leases = Leases(own_sqlite_world.database, "worker-1", lease_seconds=10, every_seconds=3)
    services = replace(own_sqlite_world.services, xpm=xpm)
    runner = Runner(
        services, own_sqlite_world.bell, leases, HANDLERS, run_isolated=None, stopping=own_sqlite_world.stopping
    )
    runner.run(own_sqlite_world.jobs_of(import_id)["validate_import"].id)
    own_sqlite_world.run_due()
    xpm.close()
    row = own_sqlite_world.import_row(import_id)
    assert (row.state, row.outcome_code) == (ImportState.SUCCEEDED, None)
    assert shown_name(own_sqlite_world, row) == name


@pytest.mark.parametrize("length", [501, 10_000])
def test_a_name_in_xpm_that_is_too_long_is_turned_down(
    own_world: World, own_simulator: SimulatorHandle, length: int
) -> None:
    record = people(own_simulator)[0]
    change(own_simulator, record, name="x" * length)
    row = own_world.run_import(record.uuid)
    assert (row.state, row.outcome_code, row.outcome_field) == (ImportState.REJECTED, "name_too_long", "name")
    assert own_world.scalar("select count(*) from clients") == 0


def test_whatever_else_xpm_holds_is_imported(own_world: World, own_simulator: SimulatorHandle) -> None:
    """Texts of any length and script, control characters, and a relationship of extremes."""
    record, other = people(own_simulator)[:2]
    change(own_simulator, other, name="n" * 10_000)
    extreme = {"label": "Shareholder \u202e🐾" * 40, "related_uuid": str(other.uuid), "number_of_shares": 5_000_000_000}
    change(
        own_simulator,
        record,
        title="\x01Dr\x02\x0b" + "t" * 20_000,
        phone="call\nafter\nfive",
        gender="<unsure>",
        address={"street": "s" * 20_000, "city": "東京"},
        relationships=[extreme],
    )
    row = own_world.run_import(record.uuid)
    assert (row.state, row.outcome_code) == (ImportState.SUCCEEDED, None)
    assert own_world.scalar("select number_of_shares from relationships") == 5_000_000_000
    assert row.client_id is not None
    with own_world.database.read() as tx:
        fields = clients.fields(tx, row.client_id)
    assert fields["title"].value.startswith("Drttt")
    assert fields["gender"].value == "<unsure>"


@pytest.mark.parametrize(
    ("email", "code"),
    [
        ("a@mail.example\nBcc: b@mail.example", "email_ambiguous"),
        ("a@mail.example; b@mail.example", "email_ambiguous"),
        ("ask\u202ehim", "email_invalid"),
        ("x" * 10_000 + "@a.example", "email_invalid"),
    ],
)
def test_an_email_in_xpm_that_is_none_is_turned_down(
    own_world: World, own_simulator: SimulatorHandle, email: str, code: str
) -> None:
    record = people(own_simulator)[0]
    change(own_simulator, record, email=email)
    row = own_world.run_import(record.uuid, send_welcome_email=True)
    assert (row.state, row.outcome_code, row.outcome_field) == (ImportState.REJECTED, code, "email")
    assert own_world.mail.deliveries() == []


# ---- at the same instant ----


def test_the_same_request_many_times_at_once_is_one_import(world: World, simulator: SimulatorHandle) -> None:
    asked = world.request(people(simulator)[0].uuid)
    answers = at_once(6, lambda _: accept(world.database, world.bell, asked))
    accepted = [answer for answer in answers if isinstance(answer, Accepted)]
    assert len(accepted) == 6, answers
    assert sum(answer.is_new for answer in accepted) == 1
    assert len({answer.import_id for answer in accepted}) == 1
    assert world.scalar("select count(*) from jobs") == 1
    world.run_due()
    assert world.import_row(accepted[0].import_id).state is ImportState.SUCCEEDED
    assert world.scalar("select count(*) from clients") == 1


def test_two_bodies_with_one_key_at_once(world: World, simulator: SimulatorHandle) -> None:
    """One is taken, the other told that the key is used up."""
    asked = world.request(people(simulator)[0].uuid)
    bodies = [asked, asked.model_copy(update={"name": "Other"})]
    answers = at_once(2, lambda number: accept(world.database, world.bell, bodies[number]))
    assert sum(isinstance(answer, Accepted) for answer in answers) == 1, answers
    (refused,) = [answer for answer in answers if isinstance(answer, RequestRefused)]
    assert refused.code == "idempotency_conflict"


def test_the_same_batch_many_times_at_once_is_one_batch(world: World, simulator: SimulatorHandle) -> None:
    rows = [world.request(record.uuid) for record in people(simulator)[:5]]
    answers = at_once(4, lambda _: accept_batch(world.database, world.bell, "key", rows).batch_id)
    assert all(isinstance(answer, UUID) for answer in answers), answers
    assert len(set(answers)) == 1
    assert world.scalar("select count(*) from imports") == 5
    assert world.scalar("select count(*) from jobs") == 5


def race(world: World, import_ids: Sequence[UUID], kind: str) -> None:
    """Each import's job of one kind is run by a worker of its own, all at once."""
    job_ids = [world.jobs_of(import_id)[kind].id for import_id in import_ids]
    answers = at_once(len(job_ids), lambda number: world.runner(owner=f"worker-{number}").run(job_ids[number]))
    assert answers == [None] * len(job_ids)


def validate_all(world: World, import_ids: Sequence[UUID]) -> None:
    """Every one passes its validation before any is created."""
    leases = Leases(world.database, "worker-1", lease_seconds=10, every_seconds=3)
    only = {"validate_import": HANDLERS["validate_import"]}
    runner = Runner(world.services, world.bell, leases, only, run_isolated=None, stopping=world.stopping)
    for import_id in import_ids:
        runner.run(world.jobs_of(import_id)["validate_import"].id)
        assert world.states_of(import_id) == {"validate_import": JobState.SUCCEEDED, "create_client": JobState.QUEUED}


@pytest.mark.parametrize("attempt", range(3))
@pytest.mark.parametrize("first_job", ["validate_import", "create_client"])
def test_requests_that_race_for_one_email(
    world: World, simulator: SimulatorHandle, first_job: str, attempt: int
) -> None:
    """One gets it, the others are told so; nothing of theirs is left. The spelling makes no difference."""
    spellings = ("shared@mail.example", "SHARED@mail.example", "Shared@Mail.Example")
    chosen = people(simulator)[attempt : attempt + 3]
    import_ids = [
        world.ask(record.uuid, email=email, send_welcome_email=True)
        for record, email in zip(chosen, spellings, strict=True)
    ]
    if first_job == "create_client":
        validate_all(world, import_ids)
    race(world, import_ids, first_job)
    world.pass_time(3600)
    world.run_due()
    rows = [world.import_row(import_id) for import_id in import_ids]
    assert sorted(row.state for row in rows) == [ImportState.REJECTED, ImportState.REJECTED, ImportState.SUCCEEDED]
    assert [row.outcome_code for row in rows].count("email_taken") == 2
    for table in ("clients", "xpm_links", "welcome_emails"):
        assert world.scalar(f"select count(*) from {table}") == 1  # noqa: S608 -- our own names
    assert world.scalar("select count(*) from logins where kind = 'client'") == 1
    assert len(world.mail.deliveries()) == 1


@pytest.mark.parametrize("attempt", range(3))
def test_requests_that_race_for_one_record(world: World, simulator: SimulatorHandle, attempt: int) -> None:
    """b.35: three windows of the same person, each with an email of its own; the oldest request gets it."""
    record = people(simulator)[attempt]
    import_ids = [world.ask(record.uuid, email=f"own{number}@mail.example") for number in range(3)]
    race(world, import_ids, "validate_import")
    world.pass_time(3600)
    world.run_due()
    rows = [world.import_row(import_id) for import_id in import_ids]
    assert [row.state for row in rows] == [ImportState.SUCCEEDED, ImportState.REJECTED, ImportState.REJECTED]
    assert {row.outcome_code for row in rows[1:]} <= {"already_being_imported", "already_linked"}
    assert world.scalar("select count(*) from xpm_links") == 1
    assert world.scalar("select count(*) from logins where kind = 'client'") == 1


def test_one_job_that_many_workers_run_at_once_runs_once(world: World, simulator: SimulatorHandle) -> None:
    import_id = world.ask(people(simulator)[0].uuid)
    job_id = world.jobs_of(import_id)["validate_import"].id
    answers = at_once(4, lambda number: world.runner(owner=f"worker-{number}").run(job_id))
    assert answers == [None] * 4
    world.run_due()
    assert world.import_row(import_id).state is ImportState.SUCCEEDED
    with_attempts = world.scalar("select count(*) from job_attempts")
    assert with_attempts == len(world.states_of(import_id)), "a job was run twice"
