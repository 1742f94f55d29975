"""Property: whatever record the simulator can hold, the client reads the same one from both of its formats."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xpm.client import Access, XpmApi
from xpm.limiter import UnlimitedLimiter
from xpm.records import GroupRef, RelationshipRecord, XpmClient
from xpm.simulator import SimulatorConfig, SimulatorHandle, running
from xpm.simulator.practice.model import Client, Practice

SIZE = 300


@pytest.fixture(scope="module")
def handle() -> Iterator[SimulatorHandle]:
    with running(SimulatorConfig(clients=SIZE, seed=11, port=0, enforce_quota=False)) as running_simulator:
        yield running_simulator


def practice_of(handle: SimulatorHandle) -> Practice:
    (tenant,) = handle.simulator.tenants.values()
    return tenant.practice


def as_read(client: Client, practice: Practice) -> XpmClient:
    """The record that a simulated client should be read as: what is zero or blank on the wire is nothing."""
    return XpmClient(
        uuid=client.uuid,
        name=client.name,
        title=client.title,
        gender=client.gender,
        first_name=client.first_name,
        last_name=client.last_name,
        email=client.email,
        date_of_birth=client.date_of_birth,
        phone=client.phone,
        address=client.address,
        postal_address=client.postal_address,
        business_structure=client.business_structure,
        return_type=client.return_type,
        client_code=client.client_code,
        is_prospect=client.is_prospect,
        is_archived=client.is_archived,
        is_deleted=client.is_deleted,
        groups=tuple(GroupRef(uuid, practice.groups[uuid].name) for uuid in client.groups),
        relationships=tuple(
            RelationshipRecord(
                uuid=tie.uuid,
                label=tie.label,
                related_uuid=tie.related_uuid,
                related_name=practice.name_of(tie),
                number_of_shares=tie.number_of_shares or None,
                percentage=tie.percentage or None,
                start_date=tie.start_date,
                end_date=tie.end_date,
            )
            for tie in client.relationships
        ),
    )


def api(handle: SimulatorHandle, wire: str) -> XpmApi:
    return XpmApi(handle.api_url, UnlimitedLimiter(), prefer="xml" if wire == "xml" else "json")


def access(handle: SimulatorHandle) -> Access:
    return Access(handle.config.tenant_id, handle.config.access_token)


@pytest.mark.parametrize("wire", ["xml", "json"])
def test_the_whole_list_is_read_as_the_simulator_holds_it(handle: SimulatorHandle, wire: str) -> None:
    # Given a practice with every oddity the simulator knows, when its detailed list is read
    with (
        closing(api(handle, wire)) as xpm,
        xpm.list(access(handle), lane="resync", deadline_seconds=60) as listing,
    ):
        found = list(listing)
    # Then every record is what the simulator holds, archived and deleted ones included
    practice = practice_of(handle)
    assert found == [as_read(client, practice) for client in practice.clients.values()]
    assert len(found) == SIZE


TEXT = (
    st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("&<>\"'‏é🐾"), min_size=1, max_size=60)
    .map(lambda text: " ".join(text.split()))
    .filter(bool)
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=TEXT, title=st.none() | TEXT, structure=st.none() | TEXT, label=TEXT, wire=st.sampled_from(["xml", "json"]))
def test_any_text_comes_through_both_formats(
    handle: SimulatorHandle, name: str, title: str | None, structure: str | None, label: str, wire: str
) -> None:
    # Given a record with any text in its fields
    practice = practice_of(handle)
    client = next(client for client in practice.clients.values() if client.relationships)
    before = (client.name, client.title, client.business_structure, client.relationships[0].label)
    client.name, client.title, client.business_structure, client.relationships[0].label = name, title, structure, label
    try:
        # When it is asked for
        uuid: UUID = client.uuid
        with closing(api(handle, wire)) as xpm:
            found = xpm.get(access(handle), uuid, lane="interactive", deadline_seconds=30).value
        # Then the text is the same
        assert found == as_read(client, practice)
    finally:
        client.name, client.title, client.business_structure, client.relationships[0].label = before
