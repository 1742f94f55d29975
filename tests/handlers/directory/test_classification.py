"""What an XPM record is in the portal: a person, an entity of one of nine types, or for the requester to say (b.4)."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import uuid4

import pytest

from handlers.directory.classification import entity_type_of, kinds_of, suggested_kind
from portal_db.states import ClientKind, EntityType
from tests.handlers.given import record_of
from xpm.records import XpmClient

PERSON, ENTITY = frozenset({ClientKind.INDIVIDUAL}), frozenset({ClientKind.ENTITY})
BOTH = PERSON | ENTITY


def of(structure: str | None = None, name: str = "Moss", **values: Any) -> XpmClient:
    return record_of(uuid4(), name, business_structure=structure, **values)


@pytest.mark.parametrize(
    ("structure", "entity_type"),
    [
        ("Company", EntityType.COMPANY),
        ("company", EntityType.COMPANY),
        ("Trustee Company", EntityType.COMPANY),
        ("Limited Company", EntityType.COMPANY),
        ("Private Company", EntityType.PRIVATE_COMPANY),
        ("Proprietary Company", EntityType.PRIVATE_COMPANY),
        ("Public Company", EntityType.PUBLIC_COMPANY),
        ("Joint Venture", EntityType.JOINT_VENTURE),
        ("Partnership", EntityType.PARTNERSHIP),
        ("Limited Partnership", EntityType.PARTNERSHIP),
        ("Trust", EntityType.TRUST),
        ("Discretionary Trust", EntityType.TRUST),
        ("Unit Trust", EntityType.TRUST),
        ("Hybrid Trust", EntityType.TRUST),
        ("Bare Trust", EntityType.TRUST),
        ("Testamentary Trust", EntityType.TRUST),
        ("Family Trust", EntityType.TRUST),
        ("Self Managed Superannuation Fund", EntityType.SUPER_FUND),
        ("SMSF", EntityType.SUPER_FUND),
        ("Super Fund", EntityType.SUPER_FUND),
        ("SMSF - Individual Trustee", EntityType.SUPER_FUND),
        ("Trust (Individual Trustees)", EntityType.TRUST),
        ("Partnership of Individual Persons", EntityType.PARTNERSHIP),
    ],
)
def test_a_structure_that_says_what_it_is(structure: str, entity_type: EntityType) -> None:
    record = of(structure)
    assert entity_type_of(record) is entity_type
    assert kinds_of(record) == ENTITY
    assert suggested_kind(record) is ClientKind.ENTITY


@pytest.mark.parametrize("structure", ["Individual", "individual", "Individual (non-resident)", "Natural Person"])
def test_a_structure_that_says_person(structure: str) -> None:
    assert kinds_of(of(structure)) == PERSON
    assert suggested_kind(of(structure)) is ClientKind.INDIVIDUAL


@pytest.mark.parametrize(
    "structure", ["Individual (Company Director)", "Individual - Trust Beneficiary", "Person in Partnership"]
)
def test_a_person_of_whom_an_entity_is_said_may_be_either(structure: str) -> None:
    assert kinds_of(of(structure)) == BOTH


def test_a_sole_trader_may_be_either_and_is_a_person_first() -> None:
    record = of("Sole Trader")
    assert entity_type_of(record) is EntityType.SOLE_TRADER
    assert kinds_of(record) == BOTH
    assert suggested_kind(record) is ClientKind.INDIVIDUAL
    assert kinds_of(of("Individual (Sole Trader)")) == PERSON


@pytest.mark.parametrize(
    "structure",
    [
        "Deceased Estate",
        "Incorporated Association",
        "Club",
        "Cooperative",
        "Verein",
        "Non-Individual",
        "Non individual",
    ],
)
def test_a_structure_of_the_practice_s_own_is_for_the_requester_to_say(structure: str) -> None:
    """b.4: as an entity it is Other; nobody's free text shuts a client out."""
    assert entity_type_of(of(structure)) is EntityType.OTHER
    assert kinds_of(of(structure)) == BOTH
    assert suggested_kind(of(structure)) is ClientKind.ENTITY
    assert suggested_kind(of(structure, date_of_birth=date(1980, 1, 1))) is ClientKind.INDIVIDUAL


@pytest.mark.parametrize(
    ("return_type", "kinds", "entity_type"),
    [
        ("IR3", PERSON, EntityType.OTHER),
        ("IR3NR", PERSON, EntityType.OTHER),
        ("PTS", PERSON, EntityType.OTHER),
        ("IR4", ENTITY, EntityType.COMPANY),
        ("IR6", ENTITY, EntityType.TRUST),
        ("IR7", ENTITY, EntityType.PARTNERSHIP),
        ("IR9", BOTH, EntityType.OTHER),
    ],
)
def test_without_a_structure_new_zealand_s_return_type_decides(
    return_type: str, kinds: frozenset[ClientKind], entity_type: EntityType
) -> None:
    record = of(None, return_type=return_type)
    assert kinds_of(record) == kinds
    assert entity_type_of(record) is entity_type


def test_a_structure_goes_before_the_return_type() -> None:
    assert kinds_of(of("Individual", return_type="IR4")) == PERSON
    assert entity_type_of(of("Trust", return_type="IR4")) is EntityType.TRUST
    assert entity_type_of(of("Verein", "Moss Pty Ltd", return_type="IR4")) is EntityType.OTHER


@pytest.mark.parametrize(
    ("name", "entity_type"),
    [
        ("Moss Pty Ltd", EntityType.COMPANY),
        ("Moss Pty. Ltd.", EntityType.COMPANY),
        ("Moss Limited", EntityType.COMPANY),
        ("Moss Family Trust", EntityType.TRUST),
        ("Moss Super Fund", EntityType.SUPER_FUND),
        ("Moss Superannuation Fund", EntityType.SUPER_FUND),
        ("Moss Family SMSF", EntityType.SUPER_FUND),
        ("Moss & Lee Partnership", EntityType.PARTNERSHIP),
        ("Moss", EntityType.OTHER),
        ("Ltd Edition Moss", EntityType.OTHER),
    ],
)
def test_with_neither_the_name_gives_a_hint(name: str, entity_type: EntityType) -> None:
    assert entity_type_of(of(None, name)) is entity_type
    assert kinds_of(of(None, name)) == BOTH, "a name is a hint, not a verdict"


@pytest.mark.parametrize(
    "field", [{"first_name": "Ada"}, {"last_name": "Moss"}, {"date_of_birth": date(1980, 1, 1)}, {"gender": "Female"}]
)
def test_fields_that_only_people_have_suggest_a_person(field: dict[str, Any]) -> None:
    assert suggested_kind(of(None, **field)) is ClientKind.INDIVIDUAL
    assert suggested_kind(of(None)) is ClientKind.ENTITY


def test_every_type_of_the_portal_can_be_reached() -> None:
    words = ("Company", "Joint Venture", "Club", "Partnership", "Private Company", "Public Company", "Sole Trader")
    assert {entity_type_of(of(word)) for word in (*words, "SMSF", "Trust")} == set(EntityType)
