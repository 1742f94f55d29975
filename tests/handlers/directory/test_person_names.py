"""What people are called in the portal, and where lists put them."""

from __future__ import annotations

from uuid import UUID

import pytest

from handlers.directory.person_names import name_columns, name_in_portal
from portal_db.states import ClientKind
from xpm.records import XpmClient

PERSON, ENTITY = ClientKind.INDIVIDUAL, ClientKind.ENTITY


def record(name: str, first: str | None = None, last: str | None = None) -> XpmClient:
    return XpmClient(UUID(int=1), name, first_name=first, last_name=last)


@pytest.mark.parametrize(
    ("of", "shown"),
    [
        (record("Mitchell, Gwen", "Gwen", "Mitchell"), "Gwen Mitchell"),
        (record("MITCHELL , Gwen Anne", "Gwen", "Mitchell"), "Gwen Anne MITCHELL"),
        (record("O\u2019Quill, Zoë", "Zoë", "O'Quill"), "Zoë O\u2019Quill"),
        (record("Gwen Mitchell", "Gwen", "Mitchell"), "Gwen Mitchell"),
        # XPM does not say which part is the last name, or says another
        (record("Mitchell, Gwen"), "Mitchell, Gwen"),
        (record("Smith, Jones and Co", "Gwen", "Mitchell"), "Smith, Jones and Co"),
        (record("Mitchell,", "Gwen", "Mitchell"), "Mitchell,"),
    ],
)  # fmt: skip
def test_a_persons_name_begins_with_the_first_name(of: XpmClient, shown: str) -> None:
    assert name_in_portal(of, PERSON) == shown
    assert name_in_portal(of, ENTITY) == of.name, "the name of an entity stays"


@pytest.mark.parametrize(
    ("name", "of", "given", "sort_key"),
    [
        ("Gwen Mitchell", record("Mitchell, Gwen", "Gwen", "Mitchell"), "Gwen", "mitchell gwen"),
        ("Gwen Anne Mitchell", record("Mitchell, Gwen Anne", "Gwen", "Mitchell"), "Gwen", "mitchell gwen anne"),
        ("Ana de Souza", record("de Souza, Ana", "Ana", "de Souza"), "Ana", "de souza ana"),
        # What staff typed wins
        ("Gwennie Mitchell", record("Mitchell, Gwen", "Gwen", "Mitchell"), "Gwennie", "mitchell gwennie"),
        ("Bob Brown", record("Smith, Robert", "Robert", "Smith"), None, "brown bob"),
        ("Gwen", record("Mitchell, Gwen", "Gwen", "Mitchell"), "Gwen", "gwen"),
        # XPM does not say which name is the last
        ("Gwen Mitchell", record("Gwen Mitchell"), None, "mitchell gwen"),
        ("Mitchell, Gwen", record("Mitchell, Gwen"), None, "mitchell, gwen"),
        ("Gwendolyn Park", record("x", "Gwen", "Mitchell"), None, "park gwendolyn"),
    ],
)  # fmt: skip
def test_people_are_addressed_by_their_first_names_and_sorted_by_their_last(
    name: str, of: XpmClient, given: str | None, sort_key: str
) -> None:
    columns = name_columns(name, of, PERSON)
    assert (columns["given_name"], columns["sort_key"]) == (given, sort_key)


def test_entities_are_addressed_and_sorted_by_their_whole_names() -> None:
    columns = name_columns("The Blue Reef Trust", record("The Blue Reef Trust", "Gwen", "Mitchell"), ENTITY)
    assert (columns["given_name"], columns["sort_key"]) == (None, "the blue reef trust")
