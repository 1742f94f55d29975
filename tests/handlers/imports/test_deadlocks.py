"""What people do to an import is done although PostgreSQL ended it for the sake of another transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from psycopg.errors import DeadlockDetected
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from handlers.access.act import Act
from handlers.imports.amend import amend
from handlers.imports.cancel import cancel, cancel_batch
from handlers.imports.welcome_email import mark_delivered, resend
from handlers.operations.dead_letters import dismiss, requeue
from portal_db.database import DEADLOCK_TRIES, Database, Tx
from portal_db.tables import Import
from portal_db.work import imports
from tests.handlers.operations import given as ops
from tests.making import importable
from tests.servers.statements import waits_for_a_lock
from tests.servers.waiting import wait_until
from tests.world import World
from xpm.simulator.serve import SimulatorHandle

Step = Callable[[Database, Act], object]


class Deadlocked(Database):
    """Its first transactions are ended instead of committed: they were waited for by whom they waited for."""

    def __init__(self, url: str, times: int) -> None:
        super().__init__(url)
        self.left = times

    @contextmanager
    def write(self) -> Iterator[Tx]:
        with super().write() as tx:
            yield tx
            if self.left > 0:
                self.left -= 1
                raise OperationalError("COMMIT", None, DeadlockDetected("deadlock detected"))


def _cancel(world: World, simulator: SimulatorHandle) -> Step:
    import_id = ops.ask(world, simulator)
    return lambda database, act: cancel(database, act, import_id)


def _cancel_batch(world: World, simulator: SimulatorHandle) -> Step:
    [import_id] = world.ask_batch([world.request(importable(simulator)[0].uuid)])
    batch_id = world.import_row(import_id).batch_id
    assert batch_id is not None
    return lambda database, act: cancel_batch(database, act, batch_id)


def _requeue(world: World, simulator: SimulatorHandle) -> Step:
    _, job_id = ops.dead_validation(world, simulator)
    return lambda database, act: requeue(database, act, job_id)


def _dismiss(world: World, simulator: SimulatorHandle) -> Step:
    _, job_id = ops.dead_validation(world, simulator)
    return lambda database, act: dismiss(database, act, job_id)


def _amend(world: World, simulator: SimulatorHandle) -> Step:
    import_id, _ = ops.dead_validation(world, simulator)
    return lambda database, act: amend(database, act, import_id, {"name": "Ada Moss"})


def _resend(world: World, simulator: SimulatorHandle) -> Step:
    _, email_id = ops.unknown_email(world, simulator)
    return lambda database, act: resend(database, act, email_id)


def _mark_delivered(world: World, simulator: SimulatorHandle) -> Step:
    _, email_id = ops.unknown_email(world, simulator)
    return lambda database, act: mark_delivered(database, act, email_id)


@pytest.fixture
def deadlocked(sqlite_world: World) -> Iterator[Deadlocked]:
    made = Deadlocked(sqlite_world.services.settings.database_url, DEADLOCK_TRIES - 1)
    yield made
    made.close()


@pytest.mark.parametrize("given", [_cancel, _cancel_batch, _requeue, _dismiss, _amend, _resend, _mark_delivered])
def test_it_is_done_once_all_the_same(
    sqlite_world: World, simulator: SimulatorHandle, deadlocked: Deadlocked, given: Callable[..., Step]
) -> None:
    step, act = given(sqlite_world, simulator), ops.operator(sqlite_world)
    assert step(deadlocked, act)
    assert deadlocked.left == 0
    done = [entry.action for entry in ops.acts(sqlite_world)]
    assert done
    assert len(done) == len(set(done)), "what was rolled back left no trace"


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_cancel_of_a_batch_locks_its_imports_in_the_order_of_their_ids(
    world: World, simulator: SimulatorHandle
) -> None:
    """As sets do. It cancels them last row first; if it locked them so, it and a set would wait for each other."""
    # Given a batch whose first import is locked by somebody else
    import_ids = sorted(world.ask_batch([world.request(person.uuid) for person in importable(simulator)[:3]]))
    batch_id = world.import_row(import_ids[0]).batch_id
    assert batch_id is not None
    act = ops.operator(world)
    with ThreadPoolExecutor(1) as pool:
        with world.database.write() as tx:
            imports.lock(tx, import_ids[0])
            # When it is cancelled and waits
            cancelling = pool.submit(cancel_batch, world.database, act, batch_id)
            wait_until(lambda: waits_for_a_lock(tx), "the cancel waits")
            # Then it holds none of the others
            free = select(Import.id).where(Import.id.in_(import_ids[1:])).with_for_update(nowait=True)
            assert len(tx.session.scalars(free).all()) == 2
        assert sum(cancelling.result().values()) == 3


def test_one_that_does_not_end_is_told(sqlite_world: World, simulator: SimulatorHandle, deadlocked: Deadlocked) -> None:
    deadlocked.left = DEADLOCK_TRIES
    step, act = _cancel(sqlite_world, simulator), ops.operator(sqlite_world)
    with pytest.raises(OperationalError):
        step(deadlocked, act)
    assert deadlocked.left == 0
    assert ops.acts(sqlite_world) == []
