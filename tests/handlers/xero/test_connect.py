"""Connecting: who may, what the answer from Xero must be, which practice it becomes, and what is kept of it."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import select, update

from config.settings import SettingsError
from handlers.access.act import Actor
from handlers.access.practices import BY_COMMAND_LINE
from handlers.errors import RequestRefused
from handlers.integration import connect, disconnect
from handlers.integration.connect import Choice, Connected, ConnectingStaff
from portal_db import audit
from portal_db.access import people
from portal_db.states import ActorKind, ConnectionState, ImportState, Role
from portal_db.tables import AuditEntry, Staff, XpmLink
from portal_db.types import db_now
from portal_db.xero import connections, logins
from tests.handlers.directory.given import FULL, synced
from tests.handlers.given import change, link_entity
from tests.handlers.xero.office import OTHER_TENANT, Office, colleague, come_back, complete, connected
from tests.making import importable, unpause
from tests.racing import at_once
from tests.world import TENANT, World
from xpm.simulator.serve import SimulatorHandle


def partner(world: World) -> ConnectingStaff:
    return ConnectingStaff(world.practice_id, world.staff_id)


def knobs(xero: SimulatorHandle, **turned: object) -> None:
    xero.simulator.knobs = xero.simulator.knobs.changed(turned)


def refused(world: World, person: ConnectingStaff, back: dict[str, str]) -> str:
    with pytest.raises(RequestRefused) as caught:
        complete(world, person, back)
    assert caught.value.remedy
    return caught.value.code


def test_one_practice_is_connected_at_once(both_offices: Office) -> None:
    row = both_offices.connection()
    assert (row.state, row.tenant_id, row.tenant_name) == (ConnectionState.CONNECTED, TENANT, None)
    assert row.staff_id == both_offices.partner.staff_id
    # And the directory behind it begins to be filled
    assert both_offices.world.scalar("SELECT count(*) FROM jobs WHERE kind = 'sync_directory'") == 1
    assert both_offices.world.scalar("SELECT mode FROM directory_syncs WHERE state = 'running'") == "full"
    import_id = both_offices.ask()
    both_offices.world.run_due()
    assert both_offices.world.import_row(import_id).state is ImportState.SUCCEEDED
    with both_offices.world.database.read() as tx:
        [entry] = audit.of_subject(tx, "connection", row.id)
    assert (entry.actor, entry.actor_id, entry.after) == (ActorKind.STAFF, row.staff_id, "connected")


def test_tokens_are_kept_encrypted_and_the_consent_is_gone(office: Office) -> None:
    login = office.login()
    issued = [token.encode() for token in (*office.grants.access, *office.grants.refresh)]
    assert login.access_token not in issued
    assert login.refresh_token not in issued
    assert office.world.services.settings.vault.decrypt(login.refresh_token or b"") in issued
    assert office.world.scalar("SELECT count(*) FROM xero_consents") == 0


def test_neither_state_nor_verifier_can_be_read_from_the_record(unconnected: World) -> None:
    url = connect.begin(unconnected.database, unconnected.services.settings, partner(unconnected))
    kept = unconnected.scalar("SELECT state_hash || hex(verifier) FROM xero_consents")
    state = url.partition("state=")[2].partition("&")[0]
    assert len(state) > 30
    assert state not in str(kept)


def test_without_firm_wide_mfa_nobody_gets_to_xero(unconnected: World) -> None:
    back = come_back(unconnected, partner(unconnected))
    with unconnected.database.write() as tx:
        people.set_practice(tx, unconnected.practice_id, {"mfa_mandatory": False})
    with pytest.raises(RequestRefused) as caught:
        connect.begin(unconnected.database, unconnected.services.settings, partner(unconnected))
    assert caught.value.code == "mfa_not_mandatory"
    assert "firm-wide mandatory MFA for staff and clients" in caught.value.remedy
    # Nor back from there, when it was lifted in between.
    assert refused(unconnected, partner(unconnected), back) == "mfa_not_mandatory"


def test_mfa_comes_before_a_missing_app(unconnected: World) -> None:
    settings = unconnected.services.settings.model_copy(update={"xero_client_id": ""})
    with pytest.raises(SettingsError, match="XERO_CLIENT_ID"):
        connect.begin(unconnected.database, settings, partner(unconnected))
    with unconnected.database.write() as tx:
        people.set_practice(tx, unconnected.practice_id, {"mfa_mandatory": False})
    with pytest.raises(RequestRefused):
        connect.begin(unconnected.database, settings, partner(unconnected))


def test_a_missing_secret_is_named(unconnected: World) -> None:
    settings = unconnected.services.settings.model_copy(update={"xero_client_secret": SecretStr("")})
    with pytest.raises(SettingsError, match="XERO_CLIENT_SECRET"):
        connect.begin(unconnected.database, settings, partner(unconnected))


def test_basic_staff_and_those_who_left_cannot_connect(unconnected: World) -> None:
    basic = colleague(unconnected, role=Role.BASIC)
    with pytest.raises(RequestRefused) as caught:
        connect.begin(unconnected.database, unconnected.services.settings, basic)
    assert caught.value.code == "not_allowed"
    with unconnected.database.write() as tx:
        tx.session.execute(update(Staff).where(Staff.id == unconnected.staff_id).values(left_at=db_now()))
    with pytest.raises(RequestRefused) as caught:
        connect.begin(unconnected.database, unconnected.services.settings, partner(unconnected))
    assert caught.value.code == "unknown_staff"


def test_an_answer_is_good_once(unconnected: World) -> None:
    back = come_back(unconnected, partner(unconnected))
    complete(unconnected, partner(unconnected), back)
    assert refused(unconnected, partner(unconnected), back) == "consent_expired"


def test_of_two_answers_at_once_one_counts(both_offices: Office) -> None:
    world, person = both_offices.world, both_offices.partner
    back = come_back(world, person)
    results = at_once(*[lambda: complete(world, person, back)] * 4)
    assert [type(result) for result in results].count(Connected) == 1
    assert [type(result) for result in results].count(RequestRefused) == 3


def test_an_answer_is_good_for_ten_minutes(unconnected: World) -> None:
    back = come_back(unconnected, partner(unconnected))
    unconnected.pass_time(600)
    assert refused(unconnected, partner(unconnected), back) == "consent_expired"


def test_a_state_that_we_never_gave_is_refused(unconnected: World) -> None:
    back = come_back(unconnected, partner(unconnected))
    assert refused(unconnected, partner(unconnected), {**back, "state": "guessed"}) == "consent_expired"


def test_somebody_elses_answer_is_refused(unconnected: World) -> None:
    """An address sent to a colleague connects them to nothing of the sender's."""
    back = come_back(unconnected, partner(unconnected))
    assert refused(unconnected, colleague(unconnected), back) == "consent_expired"
    assert isinstance(complete(unconnected, partner(unconnected), back), Connected)


def test_a_code_of_another_consent_is_refused(unconnected: World) -> None:
    """PKCE: a code that was caught elsewhere does not fit our verifier."""
    first, second = (come_back(unconnected, partner(unconnected)) for _ in range(2))
    assert refused(unconnected, partner(unconnected), {**first, "code": second["code"]}) == "consent_expired"


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        ("access_denied", "access_denied", "Connect third-party add-ons"),
        ("temporarily_unavailable", "xero_unavailable", "few minutes"),
        ("invalid_scope", "xero_app_refused", "docs/xpm.md"),
    ],
)
def test_what_xero_refuses_is_told_in_words(
    unconnected: World, xero: SimulatorHandle, error: str, code: str, words: str
) -> None:
    knobs(xero, consent_error=error)
    with pytest.raises(RequestRefused) as caught:
        complete(unconnected, partner(unconnected), come_back(unconnected, partner(unconnected)))
    assert caught.value.code == code
    assert words in caught.value.remedy


@pytest.mark.parametrize("withheld", ["practicemanager.client.read", "offline_access"])
def test_a_consent_without_what_we_need_is_refused(unconnected: World, xero: SimulatorHandle, withheld: str) -> None:
    knobs(xero, withheld_scopes=[withheld])
    assert refused(unconnected, partner(unconnected), come_back(unconnected, partner(unconnected))) == "scope_missing"


def test_no_practice_is_told_with_its_likely_cause(unconnected: World, xero: SimulatorHandle) -> None:
    knobs(xero, other_tenants=True)
    back = come_back(unconnected, partner(unconnected))
    xero.simulator.grants.connected.clear()
    with pytest.raises(RequestRefused) as caught:
        complete(unconnected, partner(unconnected), back)
    assert caught.value.code == "no_xpm_practice"
    assert "no access to connect any XPM accounts" in str(caught.value)
    assert "Connect third-party add-ons" in caught.value.remedy


def test_with_xero_away_on_the_way_back_one_begins_anew(unconnected: World, xero: SimulatorHandle) -> None:
    back = come_back(unconnected, partner(unconnected))
    knobs(xero, identity_status=503)
    assert refused(unconnected, partner(unconnected), back) == "xero_unavailable"
    knobs(xero, identity_status=None)
    assert refused(unconnected, partner(unconnected), back) == "consent_expired"
    assert connected(unconnected, partner(unconnected)).connection_id


def links(world: World) -> dict[UUID, UUID]:
    """The connection that each XPM record is linked through."""
    with world.database.read() as tx:
        return {row.xpm_uuid: row.connection_id for row in tx.session.scalars(select(XpmLink))}


def offered(world: World, xero: SimulatorHandle) -> Choice:
    knobs(xero, consent_tenants=[TENANT, OTHER_TENANT])
    choice = complete(world, partner(world), come_back(world, partner(world)))
    assert isinstance(choice, Choice)
    return choice


def test_several_practices_are_a_choice(unconnected: World, xero: SimulatorHandle) -> None:
    choice = offered(unconnected, xero)
    assert dict(choice.tenants) == {TENANT: None, OTHER_TENANT: "Second Practice"}
    with unconnected.database.read() as tx:
        assert connections.live_connection_of(tx, unconnected.staff_id) is None
    done = connect.choose(unconnected.database, partner(unconnected), choice.consent_id, OTHER_TENANT)
    with unconnected.database.read() as tx:
        row = connections.get(tx, done.connection_id)
    assert row is not None
    assert (row.tenant_id, row.tenant_name) == (OTHER_TENANT, "Second Practice")


def test_a_choice_is_made_once_by_its_person_among_what_was_offered(unconnected: World, xero: SimulatorHandle) -> None:
    choice = offered(unconnected, xero)

    def code(person: ConnectingStaff, tenant: str) -> str:
        with pytest.raises(RequestRefused) as caught:
            connect.choose(unconnected.database, person, choice.consent_id, tenant)
        return caught.value.code

    assert code(partner(unconnected), "elsewhere") == "unknown_tenant"
    assert code(colleague(unconnected), TENANT) == "consent_expired"
    connect.choose(unconnected.database, partner(unconnected), choice.consent_id, TENANT)
    assert code(partner(unconnected), OTHER_TENANT) == "consent_expired"


def test_a_choice_is_open_for_ten_minutes(unconnected: World, xero: SimulatorHandle) -> None:
    choice = offered(unconnected, xero)
    unconnected.pass_time(600)
    with pytest.raises(RequestRefused):
        connect.choose(unconnected.database, partner(unconnected), choice.consent_id, TENANT)


def test_reconnecting_asks_for_no_choice(office: Office) -> None:
    office.knobs(consent_tenants=[OTHER_TENANT, TENANT])
    assert office.reconnect().connection_id == office.connection_id
    assert office.connection().tenant_id == TENANT


def test_connected_to_one_practice_another_is_refused_until_that_is_disconnected(office: Office) -> None:
    office.knobs(consent_tenants=[OTHER_TENANT])
    office.grants.connected.clear()
    assert refused(office.world, office.partner, come_back(office.world, office.partner)) == "already_connected"
    disconnect.disconnect(office.world.database, BY_COMMAND_LINE, office.connection_id)
    done = connected(office.world, office.partner)
    assert office.connection(done.connection_id).tenant_id == OTHER_TENANT


def test_a_broken_connection_may_be_replaced_by_one_to_another_practice(office: Office) -> None:
    office.grants.connected.clear()
    import_id = office.ask()
    office.world.run_due()
    office.world.pass_time(60)
    office.world.run_due()
    assert office.world.import_row(import_id).state is ImportState.WAITING
    office.knobs(consent_tenants=[OTHER_TENANT])
    done = office.reconnect()
    assert (done.connection_id != office.connection_id, done.woken) == (True, 1)
    assert office.connection().state is ConnectionState.DISCONNECTED


def test_coming_back_as_another_xero_user_forgets_the_first_ones_tokens(office: Office) -> None:
    first = office.login().id
    connected(office.world, office.partner, xero_user="another-xero-user")
    assert office.login().id != first
    with office.world.database.read() as tx:
        assert logins.load(tx, first).row.access_token is None
    assert office.login().access_token is not None


def test_coming_back_as_another_xero_user_takes_the_clients_along(both_offices: Office) -> None:
    """Nobody syncs the directory of the former connection any more."""
    # Given a client from XPM, and another whose record the second Xero user does not see
    office, world = both_offices, both_offices.world
    first, second = (record.uuid for record in importable(office.xero)[:2])
    world.run_import(first)
    unseen = uuid4()
    link_entity(replace(world, connection_id=office.connection_id), unseen)
    # When the partner disconnects, comes back as that user, and XPM is read
    disconnect.disconnect(world.database, Actor.of(office.partner.staff_id), office.connection_id)
    done = connected(world, office.partner, xero_user="another-xero-user")
    unpause(world)
    world.run_due()
    # Then the client is on the new connection, and the other one stays
    assert links(world) == {first: done.connection_id, unseen: office.connection_id}
    # And what changes in XPM is followed
    change(office.xero, first, relationships=[{"label": "Business Angel", "related_uuid": str(second)}])
    synced(replace(world, connection_id=done.connection_id), FULL)
    world.run_due()
    assert world.scalar("SELECT count(*) FROM relationships WHERE label = 'Business Angel'") == 1
    # And it was moved once
    with world.database.read() as tx:
        [entry] = tx.session.scalars(select(AuditEntry).where(AuditEntry.action == "connection.reassign"))
    after = f"1 clients to connection {done.connection_id}"
    assert (entry.subject_id, entry.after, entry.actor) == (office.connection_id, after, ActorKind.SYSTEM)


def test_who_connects_takes_no_colleagues_clients_along(office: Office) -> None:
    # Given a client of a colleague who has disconnected
    second = colleague(office.world)
    theirs = connected(office.world, second).connection_id
    [record] = importable(office.xero)[:1]
    link_entity(replace(office.world, connection_id=theirs), record.uuid)
    disconnect.disconnect(office.world.database, Actor.of(second.staff_id), theirs)
    # When XPM is read through the partner's connection
    unpause(office.world)
    office.world.run_due()
    # Then the client stays, until somebody hands it over
    assert links(office.world) == {record.uuid: theirs}


def test_tokens_that_a_colleague_may_choose_a_practice_for_are_not_forgotten(both_offices: Office) -> None:
    # Given a colleague with the same Xero user, who has not chosen yet
    world, second = both_offices.world, colleague(both_offices.world)
    both_offices.knobs(consent_tenants=[TENANT, OTHER_TENANT])
    choice = complete(world, second, come_back(world, second))
    assert isinstance(choice, Choice)
    # When the partner comes back as another Xero user
    connected(world, both_offices.partner, xero_user="another-xero-user")
    # Then what the colleague chooses works
    connect.choose(world.database, second, choice.consent_id, TENANT)
    import_id = both_offices.ask(0, second)
    world.run_due()
    assert world.import_row(import_id).state is ImportState.SUCCEEDED


def test_a_reconnect_while_the_old_tokens_fail_breaks_nothing(office: Office) -> None:
    """The failure was of tokens that have been replaced since: the job tries again with the new ones."""
    version = office.login().version
    office.reconnect()
    with office.world.database.write() as tx:
        row = office.connection()
        assert connections.mark_broken(tx, row.id, xero_login_id=row.xero_login_id, version=version, code="x") is None
    assert office.state() == (ConnectionState.CONNECTED, None)


def test_another_practices_staff_cannot_come_in_by_a_foreign_practice(unconnected: World) -> None:
    stranger = replace(partner(unconnected), practice_id=unconnected.services.sources.new_id())
    with pytest.raises(RequestRefused):
        connect.begin(unconnected.database, unconnected.services.settings, stranger)
