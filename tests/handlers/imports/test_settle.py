"""How an import's state follows its jobs: each change audited, each close one event of its epoch and with its reason."""

from __future__ import annotations

from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from handlers.imports.settle import settle
from portal_db import audit
from portal_db.states import ImportState, JobState
from portal_db.tables import ImportEvent
from portal_db.work import imports, jobs
from tests.handlers.given import find, requeue, run_only
from tests.world import World, is_importable_person
from worker.local.mail_catcher import Behaviour
from xpm.simulator.faults import FaultRule
from xpm.simulator.serve import SimulatorHandle

Change = tuple[str | None, str | None, str | None]


def changes_of(world: World, import_id: UUID) -> list[Change]:
    with world.database.read() as tx:
        entries = audit.of_subject(tx, "import", import_id)
    return [(entry.before, entry.after, entry.why) for entry in entries]


def events_of(world: World, import_id: UUID) -> list[tuple[int, ImportState]]:
    with world.database.read() as tx:
        found = tx.session.scalars(select(ImportEvent).where(ImportEvent.import_id == import_id))
        return sorted((event.epoch, event.state) for event in found)


def ask(world: World, simulator: SimulatorHandle, **fields: Any) -> UUID:
    return world.ask(find(simulator, is_importable_person).uuid, **fields)


def spoil(simulator: SimulatorHandle, *, calls: int) -> None:
    """So many answers of XPM break its contract, which nobody but operations can mend."""
    simulator.simulator.faults.add(FaultRule("short_body", count=calls))


def exhaust(world: World, import_id: UUID, kind: str) -> None:
    """Let a failing job use up its patience."""
    for _ in range(10):
        world.pass_time(3 * 3600)
        run_only(world, import_id, kind)
    assert world.states_of(import_id)[kind] is JobState.DEAD


def test_every_change_is_audited_and_a_close_is_one_event(world: World, simulator: SimulatorHandle) -> None:
    import_id = ask(world, simulator)
    world.run_due()
    assert changes_of(world, import_id) == [("accepted", "in_progress", None), ("in_progress", "succeeded", None)]
    assert events_of(world, import_id) == [(1, ImportState.SUCCEEDED)]
    row = world.import_row(import_id)
    assert row.closed_at is not None
    assert row.outcome_code is None


def test_a_rejection_is_audited_with_its_code_and_no_address(world: World, simulator: SimulatorHandle) -> None:
    import_id = ask(world, simulator, email="nobody")
    world.run_due()
    assert changes_of(world, import_id)[-1] == ("in_progress", "rejected", "email_invalid")
    assert events_of(world, import_id) == [(1, ImportState.REJECTED)]


def test_waiting_and_going_on_are_audited(own_world: World, own_simulator: SimulatorHandle) -> None:
    """Each change begins where the one before it ended."""
    import_id = ask(own_world, own_simulator)
    spoil(own_simulator, calls=1)
    own_world.run_due()
    assert own_world.import_row(import_id).state is ImportState.WAITING
    own_world.pass_time(3600)
    own_world.run_due()
    changes = changes_of(own_world, import_id)
    assert [after for _, after, _ in changes] == ["in_progress", "waiting", "in_progress", "succeeded"]
    assert all(before[1] == after[0] for before, after in pairwise(changes))
    assert events_of(own_world, import_id) == [(1, ImportState.SUCCEEDED)]


def test_a_branch_that_failed_leaves_the_import_partly_done_with_its_reason(
    world: World, simulator: SimulatorHandle
) -> None:
    world.mail.behave(Behaviour(refuse={"*": "550 5.1.1 No such mailbox"}))
    import_id = ask(world, simulator, send_welcome_email=True)
    world.run_due()
    row = world.import_row(import_id)
    assert (row.state, row.outcome_code, row.outcome_field) == (ImportState.PARTLY_SUCCEEDED, "email_refused", "email")
    assert row.outcome_message
    assert row.outcome_remedy
    assert row.client_id is not None
    done = {kind for kind, state in world.states_of(import_id).items() if state is JobState.SUCCEEDED}
    assert done == {"validate_import", "create_client", "import_details", "import_relationships"}


def test_a_spine_that_is_dead_fails_the_import(own_world: World, own_simulator: SimulatorHandle) -> None:
    import_id = ask(own_world, own_simulator)
    spoil(own_simulator, calls=100)
    exhaust(own_world, import_id, "validate_import")
    row = own_world.import_row(import_id)
    assert (row.state, row.outcome_code) == (ImportState.FAILED, "xpm_truncated")


def test_a_requeue_opens_a_new_epoch_with_an_event_of_its_own(own_world: World, own_simulator: SimulatorHandle) -> None:
    import_id = ask(own_world, own_simulator)
    spoil(own_simulator, calls=100)
    exhaust(own_world, import_id, "validate_import")
    own_simulator.simulator.faults.clear()
    requeue(own_world, import_id, "validate_import")
    reopened = own_world.import_row(import_id)
    assert (reopened.state, reopened.epoch, reopened.closed_at) == (ImportState.IN_PROGRESS, 2, None)

    own_world.run_due()
    assert own_world.import_row(import_id).state is ImportState.SUCCEEDED
    assert events_of(own_world, import_id) == [(1, ImportState.FAILED), (2, ImportState.SUCCEEDED)]
    assert own_world.import_row(import_id).outcome_code is None
    assert changes_of(own_world, import_id)[-2:] == [
        ("failed", "in_progress", None),
        ("in_progress", "succeeded", None),
    ]


def test_settling_again_changes_nothing(world: World, simulator: SimulatorHandle) -> None:
    import_id = ask(world, simulator)
    world.run_due()
    before = changes_of(world, import_id), world.import_row(import_id).closed_at
    with world.database.write() as tx:
        assert settle(tx, imports.lock(tx, import_id)) is ImportState.SUCCEEDED
    assert (changes_of(world, import_id), world.import_row(import_id).closed_at) == before
    assert events_of(world, import_id) == [(1, ImportState.SUCCEEDED)]


@pytest.mark.parametrize(
    ("finished", "state", "client"),
    [([], ImportState.CANCELLED, False), (["validate_import", "create_client"], ImportState.PARTLY_SUCCEEDED, True)],
    ids=["before creation", "after creation"],
)
def test_cancelled_before_and_after_creation(
    sqlite_world: World, simulator: SimulatorHandle, finished: list[str], state: ImportState, client: bool
) -> None:
    world = sqlite_world
    import_id = ask(world, simulator)
    for kind in finished:
        run_only(world, import_id, kind)
    with world.database.write() as tx:
        row = imports.lock(tx, import_id)
        jobs.cancel_open(tx, import_id)
        settle(tx, row)
    world.run_due()
    closed = world.import_row(import_id)
    assert (closed.state, closed.outcome_code) == (state, "cancelled")
    assert (closed.client_id is not None) is client
    assert events_of(world, import_id) == [(1, state)]
