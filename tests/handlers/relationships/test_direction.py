"""Who is what to whom: by what the two sides are, then by the label; what stays open is marked for the reviewer."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from handlers.relationships.direction import (
    ANYTHING,
    PERSON,
    Ambiguity,
    Direction,
    Reading,
    as_text,
    decide,
    possible_kinds,
)
from handlers.relationships.labels import Label, read, title_of
from portal_db.states import ClientKind, EntityType

A_PERSON = frozenset({PERSON})
A_COMPANY = frozenset({str(EntityType.COMPANY)})
A_TRUST = frozenset({str(EntityType.TRUST)})
A_PARTNERSHIP = frozenset({str(EntityType.PARTNERSHIP)})


def reading(label: str, client: frozenset[str], other: frozenset[str], there: Sequence[str] = ()) -> Reading:
    return decide([read(label)], client, other, [read(each) for each in there])


@pytest.mark.parametrize(
    ("raw", "role", "has_of"),
    [
        ("Director", "director", False),
        ("director  OF", "director", True),
        (" Appointor Of", "appointer", True),
        ("Wife", "spouse", False),
        ("Partnership", "partner", False),
        ("De Facto ??", "de facto ??", False),
        ("of", "of", False),
    ],
)
def test_a_label_names_a_role_and_a_side(raw: str, role: str, has_of: bool) -> None:
    assert read(raw) == Label(role, has_of)


@pytest.mark.parametrize("label", ["Director", "Director Of", "Shareholder", "Public Officer Of", "Owner", "Secretary"])
def test_a_person_is_it_and_the_company_is_not_whatever_the_label_says(label: str) -> None:
    assert reading(label, A_COMPANY, A_PERSON) == Reading(Direction.OTHER_IS)
    assert reading(label, A_PERSON, A_COMPANY) == Reading(Direction.CLIENT_IS)


@pytest.mark.parametrize("label", ["Trustee", "Trustee Of", "Beneficiary", "Settlor Of", "Appointor", "Unit Holder"])
def test_of_a_company_and_a_trust_the_trust_is_what_it_is_of(label: str) -> None:
    assert reading(label, A_TRUST, A_COMPANY) == Reading(Direction.OTHER_IS)
    assert reading(label, A_COMPANY, A_TRUST) == Reading(Direction.CLIENT_IS)


def test_one_side_may_be_enough() -> None:
    """Nobody directs a person, so of a person and something that the directory does not know, the person is the director."""
    assert reading("Director", A_PERSON, ANYTHING) == Reading(Direction.CLIENT_IS)


@pytest.mark.parametrize(
    ("label", "direction"), [("Shareholder", Direction.OTHER_IS), ("Shareholder Of", Direction.CLIENT_IS)]
)
def test_of_two_companies_the_label_decides(label: str, direction: Direction) -> None:
    assert reading(label, A_COMPANY, A_COMPANY) == Reading(direction)


def test_what_is_told_both_ways_is_marked() -> None:
    both = [read("Shareholder"), read("Shareholder Of")]
    assert decide(both, A_COMPANY, A_COMPANY) == Reading(Direction.OTHER_IS, Ambiguity.TOLD_BOTH_WAYS)
    assert decide(both, A_COMPANY, A_PERSON) == Reading(Direction.OTHER_IS), "the sides decide"


def test_the_other_side_s_record_agrees_or_does_not() -> None:
    agrees = reading("Shareholder", A_COMPANY, A_COMPANY, there=["Shareholder Of"])
    assert agrees == Reading(Direction.OTHER_IS)
    contradicts = reading("Shareholder", A_COMPANY, A_COMPANY, there=["Shareholder"])
    assert contradicts == Reading(Direction.OTHER_IS, Ambiguity.TOLD_BOTH_WAYS)


@pytest.mark.parametrize(
    ("label", "direction"), [("De Facto ??", Direction.OTHER_IS), ("Bookkeeper Of", Direction.CLIENT_IS)]
)
def test_an_unknown_label_is_read_and_marked(label: str, direction: Direction) -> None:
    assert reading(label, A_PERSON, A_PERSON) == Reading(direction, Ambiguity.UNKNOWN_LABEL)


def test_sides_that_cannot_be_this_are_marked() -> None:
    assert reading("Director", A_COMPANY, A_TRUST) == Reading(Direction.OTHER_IS, Ambiguity.TYPES_DO_NOT_FIT)
    assert reading("Spouse", A_PERSON, A_COMPANY) == Reading(Direction.MUTUAL, Ambiguity.TYPES_DO_NOT_FIT)


@pytest.mark.parametrize("label", ["Spouse", "Husband", "Wife", "Partner", "Partner Of"])
def test_between_two_people_these_are_mutual(label: str) -> None:
    assert reading(label, A_PERSON, A_PERSON) == Reading(Direction.MUTUAL)


@pytest.mark.parametrize("label", ["Partner", "Partner Of"])
def test_a_partner_in_a_partnership_is_not(label: str) -> None:
    assert reading(label, A_PERSON, A_PARTNERSHIP) == Reading(Direction.CLIENT_IS)
    assert reading(label, A_PARTNERSHIP, A_PERSON) == Reading(Direction.OTHER_IS)


def test_parents_are_told_by_the_label() -> None:
    assert reading("Parent Of", A_PERSON, A_PERSON) == Reading(Direction.CLIENT_IS)
    assert reading("Child", A_PERSON, A_PERSON) == Reading(Direction.OTHER_IS)


def test_what_a_side_may_be() -> None:
    both = frozenset(ClientKind)
    assert possible_kinds(frozenset({ClientKind.INDIVIDUAL}), EntityType.OTHER) == A_PERSON
    assert possible_kinds(frozenset({ClientKind.ENTITY}), EntityType.TRUST) == A_TRUST
    assert possible_kinds(both, EntityType.OTHER) == ANYTHING
    assert possible_kinds(both, EntityType.SOLE_TRADER) == {PERSON, EntityType.SOLE_TRADER}


def test_what_the_other_side_is_called_in_team() -> None:
    assert as_text("director of", Direction.OTHER_IS) == "director"
    assert as_text("Director", Direction.CLIENT_IS) == "Director Of"
    assert as_text("Wife", Direction.MUTUAL) == "Wife"
    assert title_of("Unit Holder  Of") == "Unit Holder"
