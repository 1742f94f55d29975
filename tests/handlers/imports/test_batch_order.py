"""A batch: the first row in request order gets an email that several want, whatever order its jobs run in (b.10)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from uuid import UUID

import pytest

from handlers.imports.request import ImportRequest
from portal_db.states import ImportState, JobState
from tests.handlers.given import FullQuota, find, records, run_only
from tests.world import World, is_importable_person
from xpm.client import XpmApi
from xpm.simulator.faults import FaultRule
from xpm.simulator.serve import SimulatorHandle

SHARED = "family@mail.example"


def people(simulator: SimulatorHandle, count: int) -> list[UUID]:
    return [record.uuid for record in records(simulator) if is_importable_person(record)][:count]


def rows_sharing(world: World, simulator: SimulatorHandle, count: int) -> list[ImportRequest]:
    """So many people, each to be imported with the one email."""
    return [world.request(uuid, email=SHARED) for uuid in people(simulator, count)]


def run_in_order(world: World, import_ids: Sequence[UUID], order: Sequence[int]) -> None:
    """Run the rows' first jobs in this order, each with whatever it may go on to, then all that is left."""
    runner = world.runner()
    for position in order:
        runner.run(world.jobs_of(import_ids[position])["validate_import"].id)
    world.run_due()


def outcomes(world: World, import_ids: Sequence[UUID]) -> list[tuple[ImportState, str | None]]:
    rows = [world.import_row(import_id) for import_id in import_ids]
    return [(row.state, row.outcome_code) for row in rows]


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_the_first_row_gets_the_email_in_whatever_order_jobs_run(
    world: World, simulator: SimulatorHandle, order: Sequence[int]
) -> None:
    import_ids = world.ask_batch(rows_sharing(world, simulator, 3))
    run_in_order(world, import_ids, order)
    refused = (ImportState.REJECTED, "email_taken")
    assert outcomes(world, import_ids) == [(ImportState.SUCCEEDED, None), refused, refused]
    assert world.scalar("select count(*) from clients") == 1


@pytest.mark.parametrize("order", list(permutations(range(4)))[::3], ids=str)
def test_two_families_in_one_batch(sqlite_world: World, simulator: SimulatorHandle, order: Sequence[int]) -> None:
    """Interleaved: rows 0 and 2 share one address, rows 1 and 3 another; upper case makes no difference."""
    emails = ("one@mail.example", "two@mail.example", "ONE@mail.example", "Two@Mail.example")
    uuids = people(simulator, 4)
    rows = [sqlite_world.request(uuid, email=email) for uuid, email in zip(uuids, emails, strict=True)]
    import_ids = sqlite_world.ask_batch(rows)
    run_in_order(sqlite_world, import_ids, order)
    refused = (ImportState.REJECTED, "email_taken")
    assert outcomes(sqlite_world, import_ids) == [(ImportState.SUCCEEDED, None)] * 2 + [refused] * 2


def test_a_later_row_is_told_early(sqlite_world: World, simulator: SimulatorHandle) -> None:
    """Row 0 has passed validation and wants the email: row 1 is turned down there and then, not at its creation."""
    import_ids = sqlite_world.ask_batch(rows_sharing(sqlite_world, simulator, 2))
    for import_id in import_ids:
        run_only(sqlite_world, import_id, "validate_import")
    assert sqlite_world.states_of(import_ids[1]) == {"validate_import": JobState.REJECTED}
    assert outcomes(sqlite_world, import_ids)[1] == (ImportState.REJECTED, "email_taken")


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=str)
def test_the_same_record_twice_in_a_batch(world: World, simulator: SimulatorHandle, order: Sequence[int]) -> None:
    """The first row is imported, the second told so, even when the second's jobs ran first."""
    (uuid,) = people(simulator, 1)
    import_ids = world.ask_batch([world.request(uuid), world.request(uuid, email="another@mail.example")])
    run_in_order(world, import_ids, order)
    first, second = outcomes(world, import_ids)
    assert first == (ImportState.SUCCEEDED, None)
    assert second[0] is ImportState.REJECTED
    assert second[1] in ("already_being_imported", "already_linked")


def test_a_row_whose_email_was_refused_leaves_it_to_the_next(sqlite_world: World, simulator: SimulatorHandle) -> None:
    """Row 0 wanted the email but is of the wrong kind, so row 1 is the first that can have it."""
    company = find(simulator, lambda each: each.business_structure == "Company" and not each.is_archived)
    (person,) = people(simulator, 1)
    rows = [sqlite_world.request(company.uuid, email=SHARED), sqlite_world.request(person, email=SHARED)]
    import_ids = sqlite_world.ask_batch(rows)
    run_in_order(sqlite_world, import_ids, (1, 0))
    assert outcomes(sqlite_world, import_ids) == [(ImportState.REJECTED, "wrong_kind"), (ImportState.SUCCEEDED, None)]


def test_a_row_that_failed_once_holds_nobody_back(own_world: World, own_simulator: SimulatorHandle) -> None:
    """b.30: row 0's answer was cut off. Row 1 does not wait for its second try, and keeps what it got."""
    import_ids = own_world.ask_batch(rows_sharing(own_world, own_simulator, 2))
    first = own_world.import_row(import_ids[0])
    own_simulator.simulator.faults.add(FaultRule("short_body", uuid=first.xpm_uuid))
    run_only(own_world, import_ids[0], "validate_import")
    assert own_world.jobs_of(import_ids[0])["validate_import"].error_code == "xpm_truncated"

    run_in_order(own_world, import_ids, (1,))
    assert own_world.import_row(import_ids[1]).state is ImportState.SUCCEEDED
    own_world.pass_time(3600)
    own_world.run_due()
    assert outcomes(own_world, import_ids)[0] == (ImportState.REJECTED, "email_taken")


def test_a_row_that_waits_for_the_quota_holds_the_later_ones_back(world: World, simulator: SimulatorHandle) -> None:
    """A deferral is nobody's fault: the first row still comes first."""
    import_ids = world.ask_batch(rows_sharing(world, simulator, 2))
    full = XpmApi(simulator.api_url, FullQuota(seconds=600))
    run_only(world, import_ids[0], "validate_import", replace(world.services, xpm=full))
    waiting = world.jobs_of(import_ids[0])["validate_import"]
    assert (waiting.state, waiting.error_code, waiting.attempts) == (JobState.WAITING, "xpm_quota", 0)
    assert "minute limit, until" in (waiting.error_message or ""), "invariant 7: for what, and until when"

    run_in_order(world, import_ids, (1,))
    assert world.states_of(import_ids[1])["create_client"] is JobState.QUEUED
    runner = world.runner()
    runner.run(world.jobs_of(import_ids[1])["create_client"].id)
    assert world.states_of(import_ids[1])["create_client"] is JobState.QUEUED, "it was claimed out of turn"

    world.pass_time(601)
    world.run_due()
    assert outcomes(world, import_ids) == [(ImportState.SUCCEEDED, None), (ImportState.REJECTED, "email_taken")]


def test_an_entity_waits_for_nobody(sqlite_world: World, simulator: SimulatorHandle) -> None:
    """It wants no email, so an earlier row that is not through does not concern it."""
    company = find(simulator, lambda each: each.business_structure == "Company" and not each.is_archived)
    (person,) = people(simulator, 1)
    rows = [sqlite_world.request(person), sqlite_world.request(company.uuid, "entity")]
    import_ids = sqlite_world.ask_batch(rows)
    sqlite_world.runner().run(sqlite_world.jobs_of(import_ids[1])["validate_import"].id)
    assert sqlite_world.states_of(import_ids[1])["create_entity"] is JobState.SUCCEEDED
    assert sqlite_world.import_row(import_ids[0]).state is ImportState.ACCEPTED


def test_rows_of_different_batches_do_not_wait_for_each_other(sqlite_world: World, simulator: SimulatorHandle) -> None:
    one, other = people(simulator, 2)
    (stuck,) = sqlite_world.ask_batch([sqlite_world.request(one)], key="stuck")
    (free,) = sqlite_world.ask_batch([sqlite_world.request(other)], key="free")
    sqlite_world.runner().run(sqlite_world.jobs_of(free)["validate_import"].id)
    assert sqlite_world.states_of(free)["create_client"] is JobState.SUCCEEDED
    assert sqlite_world.import_row(stuck).state is ImportState.ACCEPTED
