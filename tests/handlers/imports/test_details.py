"""import_details: which fields are written, and when XPM's value does not win (b.11, b.15 to b.17)."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from handlers.errors import Rejected
from handlers.imports import details
from handlers.imports.details import address_text
from portal_db.clients import clients
from portal_db.states import FieldSource, ImportState, JobState
from portal_db.tables import Import
from tests.handlers.given import (
    bring,
    change,
    client_of,
    conflicts_of,
    fields_of,
    find,
    is_company,
    link_to_another_record,
    record_of,
    run_only,
    take_login,
    values_of,
)
from tests.world import World, is_importable_person
from xpm.records import Address, GroupRef
from xpm.simulator.serve import SimulatorHandle

FULL: dict[str, Any] = {
    "title": "Dr",
    "gender": "Female",
    "first_name": "Ada",
    "last_name": "Moss",
    "email": "ada@mail.example",
    "date_of_birth": date(1980, 2, 29),
    "phone": "0491 570 156",
    "address": Address("Level 3\n   12 King Street", "Sydney", "NSW", "2000", "Australia"),
    "postal_address": Address("PO Box 7", "Sydney", "NSW", "2001", "Australia"),
}


@pytest.fixture
def person(world: World, simulator: SimulatorHandle) -> Import:
    """A client made from a record, whose details the test then brings."""
    return world.run_import(find(simulator, is_importable_person).uuid)


@pytest.fixture
def company(world: World, simulator: SimulatorHandle) -> Import:
    return world.run_import(find(simulator, is_company).uuid, "entity")


def test_the_seven_fields_of_a_person_and_nothing_else(world: World, person: Import) -> None:
    """b.15, from a record in which everything is filled in."""
    record = record_of(
        person.xpm_uuid,
        business_structure="Individual",
        return_type="IR3",
        is_prospect=True,
        groups=(GroupRef(person.xpm_uuid, "Moss Family"),),
        **FULL,
    )
    bring(world, person, details.apply, record)
    assert values_of(world, person) == {
        "name": "Ada Moss",
        "title": "Dr",
        "email": "ada@mail.example",
        "phone": "0491 570 156",
        "date_of_birth": "1980-02-29",
        "address": "Level 3\n12 King Street\nSydney NSW 2000\nAustralia",
        "gender": "Female",
    }
    assert {field.source for field in fields_of(world, person).values()} == {FieldSource.XPM}
    assert client_of(world, person).name == "Ada Moss", "lists show another name than the field's"


def test_an_entity_has_a_name_and_a_type(world: World, company: Import) -> None:
    record = record_of(company.xpm_uuid, "Moss Family Trust", business_structure="Trust", **FULL)
    bring(world, company, details.apply, record)
    assert values_of(world, company) == {"name": "Moss Family Trust", "type": "Trust"}
    shown = client_of(world, company)
    assert (shown.name, shown.entity_type) == ("Moss Family Trust", "Trust")
    assert world.scalar("select count(*) from logins where kind = 'client'") == 0


def test_the_fields_come_from_the_record_itself(own_world: World, own_simulator: SimulatorHandle) -> None:
    """Over the wire, not from a record made up here."""
    record = find(own_simulator, lambda each: is_importable_person(each) and each.gender and each.address.street)
    row = own_world.run_import(record.uuid)
    found = values_of(own_world, row)
    assert (found["name"], found["email"], found["gender"]) == (record.name, record.email, record.gender)
    assert record.date_of_birth is not None
    assert found["date_of_birth"] == record.date_of_birth.isoformat()
    assert (record.address.post_code or "") in found["address"]


def test_a_blank_in_xpm_erases_nothing(world: World, person: Import) -> None:
    """b.16."""
    bring(world, person, details.apply, record_of(person.xpm_uuid, **FULL))
    before = values_of(world, person)
    bring(world, person, details.apply, record_of(person.xpm_uuid, "Ada Moss-Lee"))
    assert values_of(world, person) == before | {"name": "Ada Moss-Lee"}


def test_a_new_value_replaces_the_old_one(world: World, person: Import) -> None:
    bring(world, person, details.apply, record_of(person.xpm_uuid, **FULL))
    bring(world, person, details.apply, record_of(person.xpm_uuid, **FULL | {"phone": "02 5550 0100"}))
    assert values_of(world, person)["phone"] == "02 5550 0100"


def test_a_contact_email_from_xpm_is_never_the_login(world: World, person: Import) -> None:
    before = world.scalar("select email from logins where kind = 'client'")
    bring(world, person, details.apply, record_of(person.xpm_uuid, email="new@mail.example"))
    assert values_of(world, person)["email"] == "new@mail.example"
    assert world.scalar("select email from logins where kind = 'client'") == before


def test_somebody_else_s_email_is_noted_as_a_conflict(world: World, person: Import) -> None:
    """b.17: not written, listed without telling whose it is; everything else is imported."""
    take_login(world, "taken@mail.example")
    before = values_of(world, person)["email"]
    bring(world, person, details.apply, record_of(person.xpm_uuid, **FULL | {"email": "Taken@Mail.example"}))
    (conflict,) = conflicts_of(world, person)
    assert (conflict.field, conflict.code) == ("email", "email_taken")
    assert values_of(world, person)["email"] == before
    assert values_of(world, person)["phone"] == FULL["phone"]

    bring(world, person, details.apply, record_of(person.xpm_uuid, email="free@mail.example"))
    assert conflicts_of(world, person) == []
    assert values_of(world, person)["email"] == "free@mail.example"


def test_an_email_that_is_none_is_a_conflict_too(world: World, person: Import) -> None:
    before = values_of(world, person)["email"]
    bring(world, person, details.apply, record_of(person.xpm_uuid, email="see notes"))
    assert [(conflict.field, conflict.code) for conflict in conflicts_of(world, person)] == [("email", "email_invalid")]
    assert values_of(world, person)["email"] == before


def test_the_client_s_own_login_email_is_no_conflict(world: World, person: Import) -> None:
    own = str(world.scalar("select email from logins where kind = 'client'"))
    bring(world, person, details.apply, record_of(person.xpm_uuid, email=own.upper()))
    assert conflicts_of(world, person) == []


def test_a_field_that_staff_adjusted_stays(world: World, simulator: SimulatorHandle) -> None:
    row = world.run_import(find(simulator, is_importable_person).uuid, name="Dr Kim")
    bring(world, row, details.apply, record_of(row.xpm_uuid, **FULL))
    assert values_of(world, row)["name"] == "Dr Kim"
    assert client_of(world, row).name == "Dr Kim"
    assert values_of(world, row)["phone"] == FULL["phone"]


def test_older_news_changes_nothing(world: World, person: Import) -> None:
    """An answer that XPM gave earlier, written later."""
    taken = "taken@mail.example"
    take_login(world, taken)
    bring(world, person, details.apply, record_of(person.xpm_uuid, **FULL))
    before = {name: (field.value, field.as_of) for name, field in fields_of(world, person).items()}
    old = record_of(person.xpm_uuid, "Ada Before", title="Ms", phone="0", gender="Male", email=taken)
    bring(world, person, details.apply, old, later=-60)
    assert {name: (field.value, field.as_of) for name, field in fields_of(world, person).items()} == before
    assert client_of(world, person).name == "Ada Moss"
    assert conflicts_of(world, person) == []


def test_older_news_settles_no_conflict(world: World, person: Import) -> None:
    take_login(world, "taken@mail.example")
    bring(world, person, details.apply, record_of(person.xpm_uuid, email="taken@mail.example"))
    bring(world, person, details.apply, record_of(person.xpm_uuid, email="free@mail.example"), later=-60)
    assert len(conflicts_of(world, person)) == 1


def test_a_disconnected_client_is_refused(world: World, person: Import) -> None:
    """b.11: the tie was cut before the data could be written."""
    assert person.client_id is not None
    before = values_of(world, person)
    with world.database.write() as tx:
        assert clients.unlink(tx, person.client_id)
    with pytest.raises(Rejected) as refused:
        bring(world, person, details.apply, record_of(person.xpm_uuid, **FULL))
    assert refused.value.code == "not_connected"
    assert "Connect it" in (refused.value.remedy or "")
    assert values_of(world, person) == before


def test_a_client_disconnected_while_its_details_were_on_the_way(world: World, simulator: SimulatorHandle) -> None:
    """The import ends partly done: the client stays, the reason is told."""
    import_id = world.ask(find(simulator, is_importable_person).uuid, bring_relationships=False)
    for kind in ("validate_import", "create_client"):
        run_only(world, import_id, kind)
    client_id = world.import_row(import_id).client_id
    assert client_id is not None
    with world.database.write() as tx:
        clients.unlink(tx, client_id)
    world.run_due()
    row = world.import_row(import_id)
    assert (row.state, row.outcome_code) == (ImportState.PARTLY_SUCCEEDED, "not_connected")
    assert world.states_of(import_id)["import_details"] is JobState.REJECTED


def test_a_client_linked_to_another_record_meanwhile_is_left_alone(world: World, person: Import) -> None:
    before = values_of(world, person)
    link_to_another_record(world, person)
    with pytest.raises(Rejected) as refused:
        bring(world, person, details.apply, record_of(person.xpm_uuid, **FULL))
    assert refused.value.code == "not_connected"
    assert values_of(world, person) == before


def test_a_record_may_be_renamed_between_two_imports(own_sqlite_world: World, own_simulator: SimulatorHandle) -> None:
    """A name that has grown too long for the portal is cut, not refused: the client exists."""
    record = find(own_simulator, is_importable_person)
    row = own_sqlite_world.run_import(record.uuid)
    change(own_simulator, record.uuid, name="Ada " + "x" * 600)
    bring(own_sqlite_world, row, details.apply, record_of(record.uuid, "Ada " + "x" * 600))
    assert values_of(own_sqlite_world, row)["name"] == "Ada " + "x" * 496


@pytest.mark.parametrize("field", ["title", "phone", "gender"])
def test_a_value_longer_than_the_portal_holds_is_cut(world: World, person: Import, field: str) -> None:
    bring(world, person, details.apply, record_of(person.xpm_uuid, **{field: "y" * 20_000}))
    assert values_of(world, person)[field] == "y" * 10_000


@pytest.mark.parametrize(
    ("address", "lines"),
    [
        (Address(), None),
        (Address(street="  \n "), None),
        (Address("1 King St", "Sydney", "NSW", "2000", "Australia"), "1 King St\nSydney NSW 2000\nAustralia"),
        (Address(city="Sydney", post_code="2000"), "Sydney 2000"),
        (Address(street="Shop 4\n      9 Hay St", country="Australia"), "Shop 4\n9 Hay St\nAustralia"),
    ],
)
def test_an_address_is_one_value(address: Address, lines: str | None) -> None:
    assert address_text(address) == lines


def test_a_moved_client_never_keeps_half_of_the_old_address(world: World, person: Import) -> None:
    bring(world, person, details.apply, record_of(person.xpm_uuid, **FULL))
    bring(world, person, details.apply, record_of(person.xpm_uuid, address=Address(street="9 Hay Street")))
    assert values_of(world, person)["address"] == "9 Hay Street"


def test_without_a_street_address_the_postal_one_is_taken(world: World, person: Import) -> None:
    postal = Address("PO Box 7", "Sydney", "NSW", "2001")
    bring(world, person, details.apply, record_of(person.xpm_uuid, postal_address=postal))
    assert values_of(world, person)["address"] == "PO Box 7\nSydney NSW 2001"
