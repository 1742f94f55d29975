"""One fold for every search of the portal: what is typed finds the same names in the list, the advanced search and the
review queue, in one's own practice only; one typing error is a guess, and marked as one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import insert

from handlers.directory.person_names import name_columns
from portal_db.clients import clients
from portal_db.states import ClientKind
from portal_db.tables import Relationship
from portal_db.types import db_now
from tests.alike import ALIKE
from tests.web.desk import API, Desk, Person
from xpm.records import XpmClient

SEARCHES = ("clients", "search", "review-items")


def named(desk: Desk, person: Person, name: str) -> UUID:
    """A client of this name, with a relationship to somebody of the same name."""
    client_id = desk.entity(person, name)
    with desk.world.database.write() as tx:
        told = {"label": "Director", "label_key": "director", "other_name": name, "state": "pending", "version": 1}
        row: dict[str, Any] = {"id": tx.new_id(), "practice_id": person.practice_id, "client_id": client_id}
        row |= {"other_xpm_uuid": tx.new_id(), "as_of": db_now(), **told}
        tx.session.execute(insert(Relationship).values(**row))
    return client_id


def ids(program: httpx.Client, search: str, text: str, *, is_guess: bool = False) -> set[str]:
    """The clients that a search finds, directly or by their relationships."""
    found = program.get(f"{API}/{search}", params={"q": text}).raise_for_status().json()
    assert found["is_guess"] is is_guess
    return {item.get("client", item)["id"] for item in found.get("items", found.get("clients"))}


def test_every_search_finds_a_name_however_it_is_typed_in_ones_own_practice_only(any_desk: Desk) -> None:
    partner, stranger = any_desk.program(), any_desk.program(any_desk.other_practice())
    made = {name: str(named(any_desk, any_desk.partner, name)) for name in ALIKE}
    for search in SEARCHES:
        for name, spellings in ALIKE.items():
            for typed in spellings if search == "clients" else spellings[:1]:
                assert ids(partner, search, typed) == {made[name]}, typed
        assert ids(stranger, search, "oneil") == ids(stranger, search, "weisbach") == set()
    assert ids(partner, "review-items", "director quill") == {made["O\u2019Quill"]}


def test_one_typing_error_is_a_guess_on_every_page_where_nothing_matches_exactly(any_desk: Desk) -> None:
    program = any_desk.program()
    made = {str(named(any_desk, any_desk.partner, name)) for name in ("Ada Wei\u00dfbach", "Bo Weissbach")}
    for search in SEARCHES:
        assert ids(program, search, "weisbach", is_guess=True) == made
        assert ids(program, search, "weissbach") == made
        assert ids(program, search, "weisback") == set()
    for search in ("clients", "review-items"):
        first = program.get(f"{API}/{search}", params={"q": "wiessbach", "limit": 1}).json()
        cursor = {"q": "wiessbach", "limit": 1, "cursor": first["next_cursor"]}
        second = program.get(f"{API}/{search}", params=cursor).json()
        assert (first["is_guess"], second["is_guess"], second["next_cursor"]) == (True, True, None)
        assert first["items"] != second["items"]
        assert len(second["items"]) == 1
    assert program.get(f"{API}/clients").json()["is_guess"] is False


def test_after_the_last_exact_match_nothing_is_guessed(desk: Desk) -> None:
    for name in ("Ada Weisbach", "Bo Weissbach"):
        desk.entity(desk.partner, name)
    program = desk.program()
    [only] = program.get(f"{API}/clients", params={"q": "weissbach"}).json()["items"]
    cursor = {"q": "weissbach", "cursor": f"{only['created_at'].replace('Z', '+00:00')}~{only['id']}"}
    assert program.get(f"{API}/clients", params=cursor).json() == {"items": [], "next_cursor": None, "is_guess": False}


def test_a_client_that_was_renamed_is_found_by_its_new_name_only(any_desk: Desk) -> None:
    client_id = any_desk.entity(any_desk.partner, "Old Wharf Trust")
    name = "J\u00f8rgen\u2019s Wharf"
    with any_desk.world.database.write() as tx:
        clients.set_names(tx, {client_id: name_columns(name, XpmClient(client_id, name), ClientKind.ENTITY)})
    program = any_desk.program()
    assert ids(program, "clients", "jorgens wharf") == {str(client_id)}
    assert ids(program, "clients", "old wharf") == set()
