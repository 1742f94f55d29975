"""Taking requests into the record: the same one once, a batch whole, and accepted means committed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest
from sqlalchemy import event

from handlers.errors import RequestRefused
from handlers.imports.accept import CHUNK, MAX_BATCH, accept, accept_batch
from handlers.imports.request import ImportRequest
from portal_db.database import Database, Tx
from portal_db.states import ImportState, JobState, Lane
from portal_db.work import imports
from tests.world import RememberingBell, World, connect_practice


class CutOff(RuntimeError):
    """The process that took the batch is gone."""


class CutOffDatabase(Database):
    """A database whose process dies in its transaction number `dies_in`, before the commit or right after it."""

    def __init__(self, url: str, dies_in: int, *, committed: bool) -> None:
        super().__init__(url)
        self._left = dies_in
        self._committed = committed

    @contextmanager
    def write(self) -> Iterator[Tx]:
        self._left -= 1
        with super().write() as tx:
            yield tx
            if self._left == 0 and not self._committed:
                raise CutOff
        if self._left == 0:
            raise CutOff


class DeafBell(RememberingBell):
    """Redis is away."""

    def ring(self, lane: Lane, job_ids: object) -> None:  # noqa: ARG002 -- the protocol's
        raise ConnectionError


def request(world: World) -> ImportRequest:
    return world.request(uuid4())


def refusal_of(world: World, *rows: ImportRequest, key: str = "key") -> RequestRefused:
    with pytest.raises(RequestRefused) as refused:
        accept_batch(world.database, world.bell, key, rows)
    return refused.value


def counts(world: World) -> tuple[object, object]:
    return world.scalar("select count(*) from imports"), world.scalar("select count(*) from jobs")


def test_a_request_is_an_import_with_one_job_that_is_rung(world: World) -> None:
    accepted = accept(world.database, world.bell, request(world))
    assert accepted.is_new
    row = world.import_row(accepted.import_id)
    (job,) = world.jobs_of(row.id).values()
    assert (row.state, row.epoch, row.batch_id) == (ImportState.ACCEPTED, 1, None)
    assert (job.kind, job.state, job.lane, job.interactive) == (
        "validate_import",
        JobState.QUEUED,
        Lane.INTERACTIVE,
        True,
    )
    assert world.bell.rung == [(Lane.INTERACTIVE, job.id)]
    assert job.args == {}, "a job carries ids, and nothing personal"


def test_the_same_request_again_is_the_same_import(world: World) -> None:
    asked = request(world)
    first = accept(world.database, world.bell, asked)
    again = accept(world.database, world.bell, asked)
    assert (again.import_id, again.is_new) == (first.import_id, False)
    assert counts(world) == (1, 1)
    assert len(world.bell.rung) == 1


def test_the_same_key_with_another_body_is_a_conflict(world: World) -> None:
    asked = request(world)
    accept(world.database, world.bell, asked)
    with pytest.raises(RequestRefused) as refused:
        accept(world.database, world.bell, asked.model_copy(update={"name": "Other"}))
    assert (refused.value.code, refused.value.field) == ("idempotency_conflict", "request_id")
    assert "new request id" in refused.value.remedy
    assert counts(world) == (1, 1)


def test_another_practice_may_use_the_same_key(world: World) -> None:
    asked = request(world)
    practice_id, staff_id, _ = connect_practice(world.database, world.services.settings, "token", name="Hill")
    accept(world.database, world.bell, asked)
    other = accept(
        world.database, world.bell, asked.model_copy(update={"practice_id": practice_id, "requested_by": staff_id})
    )
    assert other.is_new


def test_a_request_that_nobody_could_be_told_of_is_accepted_all_the_same(world: World) -> None:
    """The bell is rung after the commit: the relay will ring again."""
    asked = request(world)
    with pytest.raises(ConnectionError):
        accept(world.database, DeafBell(), asked)
    assert not accept(world.database, world.bell, asked).is_new


@pytest.mark.parametrize(("field", "code"), [("practice_id", "unknown_practice"), ("requested_by", "unknown_staff")])
def test_an_id_that_nobody_has(world: World, field: str, code: str) -> None:
    asked = request(world).model_copy(update={field: uuid4()})
    with pytest.raises(RequestRefused) as refused:
        accept(world.database, world.bell, asked)
    assert (refused.value.code, refused.value.field) == (code, field)
    assert refusal_of(world, asked).code == code
    assert counts(world) == (0, 0)
    assert world.bell.rung == []


def test_a_batch_is_in_the_record_in_request_order(world: World) -> None:
    rows = [request(world) for _ in range(5)]
    batch = accept_batch(world.database, world.bell, "key", rows)
    found = [world.import_row(import_id) for import_id in batch.import_ids]
    assert [row.xpm_uuid for row in found] == [row.xpm_uuid for row in rows]
    assert [row.position for row in found] == [0, 1, 2, 3, 4]
    assert {row.batch_id for row in found} == {batch.batch_id}
    made = [world.jobs_of(row.id)["validate_import"] for row in found]
    assert [(job.lane, job.interactive, job.position) for job in made] == [
        (Lane.IMPORT, False, position) for position in range(5)
    ]
    assert all(job.rung_at is None for job in made), "a batch is rung by the relay alone, a few at a time"


def test_the_same_batch_again_doubles_nothing(world: World) -> None:
    rows = [request(world) for _ in range(3)]
    first = accept_batch(world.database, world.bell, "key", rows)
    again = accept_batch(world.database, world.bell, "key", rows)
    assert first.is_new
    assert (again.batch_id, again.import_ids, again.is_new) == (first.batch_id, first.import_ids, False)
    assert counts(world) == (3, 3)


def test_a_row_s_own_key_does_not_count_in_a_batch(world: World) -> None:
    """A batch made anew from the same file has new row keys."""
    rows = [request(world) for _ in range(2)]
    first = accept_batch(world.database, world.bell, "key", rows)
    renamed = [row.model_copy(update={"request_id": uuid4().hex}) for row in rows]
    assert accept_batch(world.database, world.bell, "key", renamed).import_ids == first.import_ids


def test_the_same_key_for_another_batch_is_a_conflict(world: World) -> None:
    rows = [request(world) for _ in range(2)]
    accept_batch(world.database, world.bell, "key", rows)
    for other in (rows[::-1], rows[:1], [*rows, request(world)]):
        assert refusal_of(world, *other).code == "idempotency_conflict"
    assert counts(world) == (2, 2)


@pytest.mark.parametrize("committed", [False, True], ids=["before the commit", "after the commit"])
@pytest.mark.parametrize("dies_in", [1, 2, 3, 4])
def test_a_batch_that_was_cut_off_goes_on_where_it_stopped(world: World, dies_in: int, committed: bool) -> None:
    """Transaction 1 records the batch, 2 to 4 its rows; sent again, nothing is lost, doubled or out of order."""
    size = 2 * CHUNK + 50
    template = request(world)
    rows = [template.model_copy(update={"xpm_uuid": uuid4()}) for _ in range(size)]
    dying = CutOffDatabase(world.services.settings.database_url, dies_in, committed=committed)
    with pytest.raises(CutOff):
        accept_batch(dying, world.bell, "key", rows)
    dying.close()
    stored = max(0, dies_in - 2 + int(committed)) * CHUNK
    assert counts(world)[0] == min(stored, size)

    batch = accept_batch(world.database, world.bell, "key", rows)
    assert counts(world) == (size, size)
    with world.database.read() as tx:
        found = imports.of_batch(tx, batch.batch_id)
    assert [row.xpm_uuid for row in found] == [row.xpm_uuid for row in rows]
    assert batch.import_ids == tuple(row.id for row in found)


def test_a_batch_is_written_in_chunks_and_not_row_by_row(sqlite_world: World) -> None:
    """Two statements for each row took 2,000 rows half a minute, beside workers."""
    inserts = []

    @event.listens_for(sqlite_world.database.engine, "before_cursor_execute")
    def _count(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        inserts.extend(re.findall(r"^INSERT INTO (imports|jobs)\b", statement))

    template = request(sqlite_world)
    rows = [template.model_copy(update={"xpm_uuid": uuid4()}) for _ in range(CHUNK + 1)]
    accept_batch(sqlite_world.database, sqlite_world.bell, "key", rows)
    assert inserts == ["imports", "jobs"] * 2


@pytest.mark.parametrize(("size", "wakes"), [(1, 1), (CHUNK, 1), (CHUNK + 1, 2), (3 * CHUNK, 3)])
def test_the_relay_is_woken_for_rows_while_others_are_recorded(sqlite_world: World, size: int, wakes: int) -> None:
    """It would look at them up to a second later, while workers have nothing to do."""
    template = request(sqlite_world)
    rows = [template.model_copy(update={"xpm_uuid": uuid4()}) for _ in range(size)]
    accept_batch(sqlite_world.database, sqlite_world.bell, "key", rows)
    assert sqlite_world.bell.wakes == wakes


def test_how_many_rows_a_batch_may_have(sqlite_world: World) -> None:
    """Size is looked at before anything else; with 5,000 rows it is another check that refuses these."""
    unknown = request(sqlite_world).model_copy(update={"practice_id": uuid4()})
    assert refusal_of(sqlite_world).code == "bad_batch_size"
    too_many = refusal_of(sqlite_world, *[unknown] * (MAX_BATCH + 1))
    assert too_many.code == "bad_batch_size"
    assert "5000" in too_many.message
    assert refusal_of(sqlite_world, *[unknown] * MAX_BATCH).code == "unknown_practice"
    assert MAX_BATCH == 5000


@pytest.mark.parametrize("field", ["practice_id", "requested_by"])
def test_a_batch_of_several_requesters(sqlite_world: World, field: str) -> None:
    ours = request(sqlite_world)
    assert refusal_of(sqlite_world, ours, ours.model_copy(update={field: uuid4()})).code == "mixed_batch"
    assert counts(sqlite_world) == (0, 0)
