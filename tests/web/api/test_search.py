"""Search over HTTP: what XPM has, what the portal has, and every record in one place only."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from portal_db.tables import XpmConnection
from tests.making import importable
from tests.web.desk import API, Desk
from tests.world import TENANT
from xpm.simulator.serve import SimulatorHandle


def test_records_are_found_with_what_they_may_become(desk: Desk, simulator: SimulatorHandle) -> None:
    person = importable(simulator)[0]
    found = desk.program().get(f"{API}/xpm/clients", params={"q": person.name}).json()
    [record] = [item for item in found if item["xpm_uuid"] == str(person.uuid)]
    assert (record["suggested_kind"], record["possible_kinds"]) == ("individual", ["individual"])
    assert (record["blocked"], record["client_id"]) == (None, None)


def test_archived_records_and_those_being_imported_offer_no_import(desk: Desk, simulator: SimulatorHandle) -> None:
    program, person = desk.program(), importable(simulator)[0]
    desk.world.ask(person.uuid)
    records = simulator.simulator.practices[TENANT].clients.values()
    archived = next(row for row in records if row.is_archived and not row.is_deleted)
    for record, blocked in ((person, "already_being_imported"), (archived, "xpm_client_archived")):
        found = {item["xpm_uuid"]: item for item in program.get(f"{API}/xpm/clients", params={"q": record.name}).json()}
        if str(record.uuid) in found:  # XPM's search may leave archived ones out
            assert found[str(record.uuid)]["blocked"] == blocked
    assert str(person.uuid) in {item["xpm_uuid"] for item in program.get(
        f"{API}/xpm/clients", params={"q": person.name}).json()}  # fmt: skip


def test_a_linked_record_is_shown_once_as_a_client(any_desk: Desk, simulator: SimulatorHandle) -> None:
    """Also where the portal calls it by another name, and only by XPM's was it found (b.33)."""
    program, person = any_desk.program(), importable(simulator)[0]
    row = any_desk.world.run_import(person.uuid, name="Quite Another Name", bring_details=False)
    query = {"q": person.name, "integration": "xpm"}
    both = program.get(f"{API}/search", params=query).json()
    assert [client["id"] for client in both["clients"]] == [str(row.client_id)]
    assert str(person.uuid) not in {item["xpm_uuid"] for item in both["xpm"]}
    alone = program.get(f"{API}/search", params={"q": "quite another"}).json()
    assert [client["id"] for client in alone["clients"]] == [str(row.client_id)]
    assert alone["xpm"] is None


def test_a_colleagues_client_is_not_shown_but_cannot_be_imported_twice(desk: Desk, simulator: SimulatorHandle) -> None:
    person = importable(simulator)[0]
    desk.world.run_import(person.uuid)
    colleague = desk.staff()
    with desk.world.database.write() as tx:  # the connection goes from the partner to the colleague
        tx.session.execute(update(XpmConnection).values(staff_id=colleague.staff_id))
    both = desk.program(colleague).get(f"{API}/search", params={"q": person.name, "integration": "xpm"}).json()
    assert both["clients"] == []
    [record] = [item for item in both["xpm"] if item["xpm_uuid"] == str(person.uuid)]
    assert (record["blocked"], record["client_id"]) == ("already_linked", None)


def test_the_portal_answers_while_xpm_does_not(desk: Desk) -> None:
    entity = str(desk.entity(desk.partner, "Blue Reef"))
    with desk.world.database.write() as tx:
        tx.session.execute(update(XpmConnection).values(state="broken", broken_code="grant_refused"))
    both = desk.program().get(f"{API}/search", params={"q": "reef", "integration": "xpm"})
    assert both.status_code == 200
    assert [client["id"] for client in both.json()["clients"]] == [entity]
    assert (both.json()["xpm"], both.json()["xpm_problem"]["code"]) == ([], "reconnect_xpm")
    alone = desk.program().get(f"{API}/xpm/clients", params={"q": "reef"})
    assert (alone.status_code, alone.json()["code"]) == (409, "reconnect_xpm")


@pytest.mark.parametrize("text", ["", "x", "  ", "x" * 201])
def test_a_text_that_is_too_short_or_blank_or_long_asks_nobody(
    desk: Desk, simulator: SimulatorHandle, text: str
) -> None:
    calls = simulator.simulator.counters.calls.total()
    assert desk.program().get(f"{API}/xpm/clients", params={"q": text}).status_code == 422
    assert simulator.simulator.counters.calls.total() == calls


def test_only_the_callers_own_connection_is_used(desk: Desk) -> None:
    answer = desk.program(desk.staff()).get(f"{API}/xpm/clients", params={"q": "an"})
    assert (answer.status_code, answer.json()["code"]) == (409, "integration_not_configured")
