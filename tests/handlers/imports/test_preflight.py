"""What a forecast gives away: nothing of other firms' clients, and no name that the caller's own Xero login has not seen."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from handlers.access import taken_addresses
from handlers.access.act import Act
from handlers.access.caller import Caller, Scope
from handlers.access.practices import add_practice, add_staff
from handlers.errors import RefusedForNow
from handlers.imports import preflight, queries
from handlers.imports.accept import accept_batch
from handlers.imports.amend import amend
from handlers.imports.preflight import Budget
from handlers.imports.request import ImportWishes
from portal_db import audit
from portal_db.states import ClientKind, ImportState, Role
from tests.handlers.given import change, run_only
from tests.making import importable
from tests.world import World, begin_directory_sync
from xpm.simulator.serve import SimulatorHandle

BUDGET = Budget(per_minute=57, per_day=4750, left_today=None)


def foretold(world: World, xpm_uuid: UUID, email: str) -> dict[str, int]:
    wishes = ImportWishes(xpm_uuid=xpm_uuid, kind=ClientKind.INDIVIDUAL, email=email)
    return preflight.forecast(world.database, caller(world, world.staff_id), [wishes], BUDGET).by_code


def caller(world: World, staff_id: UUID) -> Caller:
    return Caller(world.practice_id, staff_id, "Kim", Role.PARTNER, frozenset(Scope))


def seen_record(world: World, simulator: SimulatorHandle) -> UUID:
    """A record that the partner's Xero login has seen, and that is not imported."""
    begin_directory_sync(world.database, world.connection_id)
    world.run_due()
    record: UUID = importable(simulator)[0].uuid
    return record


def test_whose_clients_are_in_the_portal_is_not_foretold(world: World, simulator: SimulatorHandle) -> None:
    """Given an email that a login of another firm has, only the import says that it is taken."""
    record, elsewhere, own = seen_record(world, simulator), "jo@elsewhere.example", "jo@here.example"
    other = add_practice(world.database, "Other", time_zone="Australia/Sydney", mfa_mandatory=True)
    add_staff(world.database, other, "Jo", elsewhere, Role.OWNER)
    add_staff(world.database, world.practice_id, "Jo", own, Role.MANAGER)
    assert foretold(world, record, elsewhere) == {}
    assert foretold(world, record, own) == {"email_taken": 1}
    row = world.run_import(record, request_id="elsewhere", email=elsewhere)
    assert (row.state, row.outcome_code) == (ImportState.REJECTED, "email_taken")


def test_addresses_are_not_tried_out_with_ids_of_nothing(sqlite_world: World) -> None:
    world = sqlite_world
    add_staff(world.database, world.practice_id, "Jo", "jo@here.example", Role.MANAGER)
    assert foretold(world, uuid4(), "jo@here.example") == {}


def test_a_name_is_told_only_to_who_sees_the_record_in_xpm(world: World, simulator: SimulatorHandle) -> None:
    """Given a record that a colleague's Xero login has seen, its id alone tells no name, nor does an import of it."""
    record = seen_record(world, simulator)
    colleague = add_staff(world.database, world.practice_id, "Jo", "jo@here.example", Role.PARTNER)
    assert preflight.seen_in_xpm(world.database, caller(world, world.staff_id), [record]) != {}
    assert preflight.seen_in_xpm(world.database, caller(world, colleague), [record]) == {}
    for staff_id, sees in ((world.staff_id, True), (colleague, False)):
        request = world.request(record, request_id=f"by {staff_id}", requested_by=staff_id, email="no address")
        batch = accept_batch(world.database, world.bell, f"batch of {staff_id}", [request])
        world.run_due()
        [row] = queries.unsuccessful_rows(world.database, caller(world, staff_id), batch.batch_id, limit=10)
        assert (row.name is not None) is sees


def test_addresses_tried_out_by_imports_are_counted_until_nothing_answers_for_a_day(
    world: World, simulator: SimulatorHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taken_addresses, "BUDGET", 3)
    seen_record(world, simulator)
    people = [record.uuid for record in importable(simulator)]
    elsewhere = [f"jo{number}@elsewhere.example" for number in range(3)]
    other = add_practice(world.database, "Other", time_zone="Australia/Sydney", mfa_mandatory=True)
    for email in elsewhere:
        add_staff(world.database, other, "Jo", email, Role.OWNER)
    add_staff(world.database, world.practice_id, "Jo", "jo@here.example", Role.MANAGER)
    # Given one address of another firm and one of their own, tried out in a batch, and another in a single import
    rows = [world.request(people[n], email=email) for n, email in enumerate([elsewhere[0], "jo@here.example"])]
    world.runner().run(*(world.jobs_of(each)["validate_import"].id for each in world.ask_batch(rows)))
    row = world.run_import(people[0], email=elsewhere[1])
    assert row.outcome_code == "email_taken"
    assert counted(world) == ["1 in a day", "2 in a day"], "not their own"
    # When they amend it, no address is answered for at once; and that one is counted as well
    by_them = Act.of_staff(caller(world, world.staff_id))
    amended = amend(world.database, by_them, row.id, {"email": elsewhere[2]})
    assert amended.state is ImportState.ACCEPTED
    world.run_due()
    assert counted(world)[-1] == "3 in a day"
    # Then a free address waits like one that is taken, and the request itself is refused
    for person, email in ((people[1], "free@mail.example"), (people[2], elsewhere[0])):
        waiting = world.run_import(person, email=email)
        assert waiting.state is ImportState.WAITING
        assert world.jobs_of(waiting.id)["validate_import"].error_code == "too_many_taken"
    with pytest.raises(RefusedForNow) as refused:
        amend(world.database, by_them, row.id, {"email": "free@mail.example"})
    assert 0 < refused.value.wait_seconds <= 24 * 3600
    # And the next day they go on
    world.pass_time(24 * 3600 + 1)
    world.run_due()
    assert world.import_row(waiting.id).state is not ImportState.WAITING


def test_of_addresses_that_only_xpm_knows_those_of_other_firms_count(
    own_world: World, own_simulator: SimulatorHandle
) -> None:
    world, simulator = own_world, own_simulator
    partner, spouse, first, second, stranger = [record.uuid for record in importable(simulator)[:5]]
    shared, wanted, elsewhere = "us@here.example", "both@here.example", "jo@elsewhere.example"
    emails = {partner: shared, spouse: shared, first: wanted, second: wanted, stranger: elsewhere}
    for record, email in emails.items():
        change(simulator, record, email=email)
    other = add_practice(world.database, "Other", time_zone="Australia/Sydney", mfa_mandatory=True)
    add_staff(world.database, other, "Jo", elsewhere, Role.OWNER)
    # Given an address that a login of their own has, and one that two rows of a batch share: neither counts
    world.run_import(partner)
    assert world.run_import(spouse).outcome_code == "email_taken"
    rows = world.ask_batch([world.request(first), world.request(second)])
    for import_id in rows:
        run_only(world, import_id, "validate_import")
    assert world.import_row(rows[1]).outcome_code == "email_taken"
    assert counted(world) == []
    # When a login of another firm has it, it counts
    assert world.run_import(stranger).outcome_code == "email_taken"
    assert counted(world) == ["1 in a day"]


def counted(world: World) -> list[object]:
    with world.database.read() as tx:
        rows = audit.of_subject(tx, "practice", world.practice_id)
    return [row.after for row in rows if row.action == "email.taken_elsewhere"]
