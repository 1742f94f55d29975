"""validate_import: each business rule turns an import down with a code, a field and words, and nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from handlers.errors import RequestRefused
from handlers.imports.accept import accept
from portal_db.states import ImportState, JobState, LoginKind, Role
from portal_db.tables import Import
from tests.handlers.given import (
    change,
    connect_colleague,
    disconnect,
    find,
    is_active,
    is_company,
    link_entity,
    run_only,
    set_practice,
    set_staff,
    take_login,
    written,
)
from tests.world import World, connect_practice, is_importable_person
from xpm.simulator.practice.model import Client
from xpm.simulator.serve import SimulatorHandle


def assert_refused(row: Import, code: str, field: str | None, message: str, remedy: str) -> None:
    assert (row.state, row.outcome_code, row.outcome_field) == (ImportState.REJECTED, code, field)
    assert message in (row.outcome_message or "")
    assert remedy in (row.outcome_remedy or "")


@dataclass(frozen=True)
class Refusal:
    """A circumstance, and what the requester is told."""

    given: Callable[[World], object]
    code: str
    message: str
    remedy: str


WHO_ASKS = {
    "somebody who left": Refusal(
        lambda world: set_staff(world, left_at=datetime.now(UTC)), "staff_left", "no longer works", "Ask a colleague"
    ),
    "a Basic": Refusal(lambda world: set_staff(world, role=Role.BASIC), "not_allowed", "Basic cannot", "Ask an owner"),
    "a practice without MFA": Refusal(
        lambda world: set_practice(world, mfa_mandatory=False), "mfa_not_mandatory", "Multi-factor", "Make it mandatory"
    ),
    "somebody without a connection": Refusal(
        disconnect, "integration_not_configured", "not connected", "Configure > Integrations"
    ),
}


@pytest.mark.parametrize("refusal", WHO_ASKS.values(), ids=WHO_ASKS)
def test_who_may_not_import_is_told_why(world: World, simulator: SimulatorHandle, refusal: Refusal) -> None:
    refusal.given(world)
    row = world.run_import(find(simulator, is_importable_person).uuid)
    assert_refused(row, refusal.code, None, refusal.message, refusal.remedy)
    assert written(world) == {}
    assert world.states_of(row.id) == {"validate_import": JobState.REJECTED}


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.BASIC])
def test_every_other_role_may_import(sqlite_world: World, simulator: SimulatorHandle, role: Role) -> None:
    set_staff(sqlite_world, role=role)
    row = sqlite_world.run_import(find(simulator, is_importable_person).uuid)
    assert row.state is ImportState.SUCCEEDED


def test_a_colleague_s_connection_is_not_used(sqlite_world: World, simulator: SimulatorHandle) -> None:
    """b.13: the requester's own connection, or none."""
    connect_colleague(sqlite_world, simulator.config.access_token)
    disconnect(sqlite_world)
    row = sqlite_world.run_import(find(simulator, is_importable_person).uuid)
    assert row.outcome_code == "integration_not_configured"


def test_staff_of_another_practice_are_turned_away_at_the_door(world: World, simulator: SimulatorHandle) -> None:
    _, stranger, _ = connect_practice(
        world.database, world.services.settings, simulator.config.access_token, name="Hill Accounting"
    )
    request = world.request(find(simulator, is_importable_person).uuid).model_copy(update={"requested_by": stranger})
    with pytest.raises(RequestRefused) as refused:
        accept(world.database, world.bell, request)
    assert (refused.value.code, refused.value.field) == ("unknown_staff", "requested_by")
    assert world.scalar("select count(*) from imports") == 0


@pytest.mark.parametrize("shelf", ["archived", "deleted"])
def test_a_shelved_record_is_not_imported(world: World, simulator: SimulatorHandle, shelf: str) -> None:
    record = find(simulator, lambda record: getattr(record, f"is_{shelf}"))
    row = world.run_import(record.uuid, "individual" if record.first_name else "entity")
    assert_refused(row, f"xpm_client_{shelf}", "xpm_uuid", f"is {shelf} in XPM", "Restore it")
    assert written(world) == {}


@pytest.mark.parametrize("answer", ["ok_error", "not_found", "server_error"])
def test_a_uuid_that_xpm_does_not_know(own_sqlite_world: World, own_simulator: SimulatorHandle, answer: str) -> None:
    own_simulator.simulator.knobs = own_simulator.simulator.knobs.changed({"unknown_uuid": answer})
    row = own_sqlite_world.run_import(uuid4())
    assert_refused(row, "xpm_client_unknown", "xpm_uuid", "no longer exists in XPM", "Search for the client again")
    assert written(own_sqlite_world) == {}


def test_a_person_without_an_email(world: World, simulator: SimulatorHandle) -> None:
    """b.1: not created, the reason recorded, nothing partially written."""
    record = find(
        simulator, lambda each: is_active(each) and each.business_structure == "Individual" and not each.email
    )
    row = world.run_import(record.uuid, send_welcome_email=True)
    assert_refused(row, "email_missing", "email", "no email address in XPM", "Add the client's own email")
    assert written(world) == {}


@pytest.mark.parametrize("email", ["TBA", "no-at-sign.example", "a@@b.example", "a b@c.example", "a@b..example"])
def test_an_email_that_is_none(sqlite_world: World, simulator: SimulatorHandle, email: str) -> None:
    row = sqlite_world.run_import(find(simulator, is_importable_person).uuid, email=email)
    assert_refused(row, "email_invalid", "email", "isn't valid", "Correct it in XPM")
    assert email not in f"{row.outcome_message} {row.outcome_remedy}"
    assert written(sqlite_world) == {}


@pytest.mark.parametrize("between", ["; ", ", ", " ", " and "])
def test_two_emails_in_xpm(own_sqlite_world: World, own_simulator: SimulatorHandle, between: str) -> None:
    record = find(own_simulator, is_importable_person)
    change(own_simulator, record.uuid, email=f"a@b.example{between}c@d.example")
    row = own_sqlite_world.run_import(record.uuid)
    assert_refused(row, "email_ambiguous", "email", "XPM holds two addresses; choose one", "Keep one")
    assert "@" not in f"{row.outcome_message} {row.outcome_remedy}"


@pytest.mark.parametrize("around", ["mailto:{}", "Jane Doe <{}>", "{}.", "{},", "\u200b{}\ufeff", "\u202a{}\u202c"])
def test_what_stands_around_the_one_email_in_xpm(
    own_sqlite_world: World, own_simulator: SimulatorHandle, around: str
) -> None:
    record = find(own_simulator, is_importable_person)
    change(own_simulator, record.uuid, email=around.format("jane@mail.example"))
    row = own_sqlite_world.run_import(record.uuid, send_welcome_email=True)
    assert row.state is ImportState.SUCCEEDED
    assert [delivery.recipient for delivery in own_sqlite_world.mail.deliveries()] == ["jane@mail.example"]


def test_an_invalid_email_in_xpm(own_sqlite_world: World, own_simulator: SimulatorHandle) -> None:
    record = find(own_simulator, is_importable_person)
    change(own_simulator, record.uuid, email="n/a")
    assert_refused(own_sqlite_world.run_import(record.uuid), "email_invalid", "email", "isn't valid", "Correct it")


@pytest.mark.parametrize("kind", list(LoginKind))
def test_an_email_that_any_login_on_the_platform_holds(
    world: World, simulator: SimulatorHandle, kind: LoginKind
) -> None:
    """b.2: compared without regard to case, and the words give nobody away."""
    record = find(simulator, is_importable_person)
    assert record.email is not None
    take_login(world, record.email, kind)
    before = written(world)
    row = world.run_import(record.uuid, email=record.email.swapcase())
    assert_refused(row, "email_taken", "email", "already in use in the portal", "Enter another email address")
    assert set(world.states_of(row.id)) == {"validate_import"}, "told at once, and not by the creation's index"
    words = f"{row.outcome_message} {row.outcome_remedy}".casefold()
    assert not [word for word in (record.email.casefold(), "practice", "firm", "staff", "operator") if word in words]
    assert written(world) == before


def test_the_client_of_another_practice_holds_its_email(world: World, simulator: SimulatorHandle) -> None:
    """Both firms have the person in XPM; the second is refused, and gets no sight of the first one's client."""
    record = find(simulator, is_importable_person)
    assert world.run_import(record.uuid).state is ImportState.SUCCEEDED
    practice_id, staff_id, _ = connect_practice(
        world.database, world.services.settings, simulator.config.access_token, name="Hill Accounting"
    )
    asked = world.request(record.uuid).model_copy(update={"practice_id": practice_id, "requested_by": staff_id})
    import_id = accept(world.database, world.bell, asked).import_id
    world.run_due()
    row = world.import_row(import_id)
    assert_refused(row, "email_taken", "email", "already in use in the portal", "Enter another email address")
    assert "Harbour" not in f"{row.outcome_message} {row.outcome_remedy}"
    assert row.client_id is None
    assert world.scalar("select count(*) from client_visibility where staff_id = :id", id=staff_id.hex) == 0


def test_another_practice_may_import_the_same_record_with_an_own_email(
    world: World, simulator: SimulatorHandle
) -> None:
    record = find(simulator, is_importable_person)
    assert world.run_import(record.uuid).state is ImportState.SUCCEEDED
    practice_id, staff_id, _ = connect_practice(
        world.database, world.services.settings, simulator.config.access_token, name="Hill Accounting"
    )
    asked = world.request(record.uuid, email="own@mail.example")
    asked = asked.model_copy(update={"practice_id": practice_id, "requested_by": staff_id})
    import_id = accept(world.database, world.bell, asked).import_id
    world.run_due()
    assert world.import_row(import_id).state is ImportState.SUCCEEDED


@pytest.mark.parametrize(
    ("fits", "kind", "message", "remedy"),
    [
        (is_importable_person, "entity", "this client is an individual", "Import it as an individual"),
        (is_company, "individual", "this client is an entity", "Import it as an entity"),
    ],
)
def test_the_window_of_the_other_kind(
    sqlite_world: World,
    simulator: SimulatorHandle,
    fits: Callable[[Client], bool],
    kind: str,
    message: str,
    remedy: str,
) -> None:
    row = sqlite_world.run_import(find(simulator, fits).uuid, kind)
    assert_refused(row, "wrong_kind", "kind", message, remedy)
    assert written(sqlite_world) == {}


@pytest.mark.parametrize(("length", "state"), [(500, ImportState.SUCCEEDED), (501, ImportState.REJECTED)])
def test_a_name_in_xpm_may_be_so_long(
    own_world: World, own_simulator: SimulatorHandle, length: int, state: ImportState
) -> None:
    record = find(own_simulator, is_importable_person)
    change(own_simulator, record.uuid, name="é" * length)
    row = own_world.run_import(record.uuid)
    assert row.state is state
    if state is ImportState.REJECTED:
        assert_refused(row, "name_too_long", "name", "longer than 500", "Enter a shorter name")


def test_a_shorter_name_given_by_hand_helps(own_sqlite_world: World, own_simulator: SimulatorHandle) -> None:
    record = find(own_simulator, is_importable_person)
    change(own_simulator, record.uuid, name="x" * 501)
    assert own_sqlite_world.run_import(record.uuid, name="Short").state is ImportState.SUCCEEDED


def test_a_record_that_is_a_client_already(world: World, simulator: SimulatorHandle) -> None:
    """b.35: one record links to at most one client of the practice."""
    record = find(simulator, is_importable_person)
    link_entity(world, record.uuid)
    before = written(world)
    row = world.run_import(record.uuid)
    assert_refused(row, "already_linked", "xpm_uuid", "already a client of the practice", "Open the existing client")
    assert set(world.states_of(row.id)) == {"validate_import"}, "told at once, and not by the creation's index"
    assert written(world) == before


def test_of_two_open_imports_of_a_record_the_older_goes_on(world: World, simulator: SimulatorHandle) -> None:
    """Whichever of the two runs first."""
    record = find(simulator, is_importable_person)
    older, younger = world.ask(record.uuid), world.ask(record.uuid, email="other@mail.example")
    run_only(world, younger, "validate_import")
    refused = world.import_row(younger)
    assert_refused(refused, "already_being_imported", "xpm_uuid", "already being imported", "Wait for that import")
    world.run_due()
    assert world.import_row(older).state is ImportState.SUCCEEDED


def test_once_the_older_import_was_turned_down_the_record_is_free(
    sqlite_world: World, simulator: SimulatorHandle
) -> None:
    record = find(simulator, is_importable_person)
    assert sqlite_world.run_import(record.uuid, email="not an address").state is ImportState.REJECTED
    assert sqlite_world.run_import(record.uuid).state is ImportState.SUCCEEDED


def test_validation_reads_xpm_once_for_the_whole_import(
    own_sqlite_world: World, own_simulator: SimulatorHandle
) -> None:
    own_simulator.simulator.counters.reset()
    row = own_sqlite_world.run_import(find(own_simulator, is_importable_person).uuid)
    assert len(own_sqlite_world.states_of(row.id)) == 4
    assert len(list(own_simulator.simulator.counters.log)) == 1
