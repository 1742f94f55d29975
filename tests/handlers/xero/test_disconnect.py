"""Disconnecting: here at once, at Xero as soon as it can be reached, and never at the cost of somebody else's connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from handlers.access.act import Actor
from handlers.access.practices import BY_COMMAND_LINE
from handlers.errors import RequestRefused
from handlers.integration.connect import Choice, Connected, ConnectingStaff, choose
from handlers.integration.disconnect import disconnect
from portal_db import audit
from portal_db.states import ActorKind, ConnectionState, ImportState
from tests.handlers.xero.office import OTHER_TENANT, Office, colleague, come_back, complete, connected
from tests.world import TENANT
from xpm.oauth import XeroConnections

KIND = "leave_xero"


def left(office: Office, connection_id: UUID | None = None) -> str | None:
    """What the audit trail says of the end at Xero."""
    with office.world.database.read() as tx:
        entries = audit.of_subject(tx, "connection", connection_id or office.connection_id)
    return next((entry.after for entry in entries if entry.action == "connection.left_xero"), None)


def test_disconnecting_leaves_the_practice_and_revokes_the_consent(both_offices: Office) -> None:
    office = both_offices
    disconnect(office.world.database, Actor.of(office.partner.staff_id), office.connection_id)
    assert office.connection().state is ConnectionState.DISCONNECTED
    office.world.run_due()
    assert office.grants.counts == {"deletions": 1, "revocations": 1}
    login = office.login()
    assert (login.access_token, login.refresh_token) == (None, None)
    assert left(office) == "deleted at Xero"


def test_who_disconnected_is_in_the_audit_trail(office: Office) -> None:
    disconnect(office.world.database, BY_COMMAND_LINE, office.connection_id)
    with office.world.database.read() as tx:
        entry = audit.of_subject(tx, "connection", office.connection_id)[-1]
    assert (entry.actor, entry.before, entry.after) == (ActorKind.OPERATOR, "connected", "disconnected")


def test_only_the_person_themself_and_only_once(office: Office) -> None:
    def code(connection_id: UUID, staff_id: UUID) -> str:
        with pytest.raises(RequestRefused) as caught:
            disconnect(office.world.database, Actor.of(staff_id), connection_id)
        return caught.value.code

    assert code(office.connection_id, colleague(office.world).staff_id) == "unknown_connection"
    assert code(UUID(int=5), office.partner.staff_id) == "unknown_connection"
    disconnect(office.world.database, Actor.of(office.partner.staff_id), office.connection_id)
    assert code(office.connection_id, office.partner.staff_id) == "already_disconnected"


def test_with_xero_away_it_is_disconnected_here_and_there_later(office: Office) -> None:
    office.knobs(identity_status=503)
    disconnect(office.world.database, BY_COMMAND_LINE, office.connection_id)
    office.run_job(KIND)
    import_id = office.ask()
    office.world.runner().run(office.job(import_id).id)
    assert office.world.import_row(import_id).outcome_code == "integration_not_configured"
    assert office.grants.counts["revocations"] == 0
    office.knobs(identity_status=None)
    office.world.pass_time(1000)
    office.run_job(KIND)
    assert office.grants.counts == {"deletions": 1, "revocations": 1}


def test_an_access_token_that_ran_out_is_refreshed_for_it(office: Office) -> None:
    office.grants.expire_all()
    disconnect(office.world.database, BY_COMMAND_LINE, office.connection_id)
    office.world.run_due()
    assert office.grants.counts == {"refreshes": 1, "deletions": 1, "revocations": 1}


def test_with_a_dead_consent_it_is_noted_that_xero_keeps_the_connection(office: Office) -> None:
    office.grants.revoke_all()
    disconnect(office.world.database, BY_COMMAND_LINE, office.connection_id)
    office.world.run_due()
    assert (left(office) or "").startswith("kept: the consent had ended")
    assert office.login().access_token is None


def test_another_connection_of_the_same_login_and_practice_goes_on(office: Office) -> None:
    second = colleague(office.world)
    theirs = connected(office.world, second).connection_id
    disconnect(office.world.database, BY_COMMAND_LINE, office.connection_id)
    office.world.run_due()
    assert office.grants.counts == {}
    assert left(office) == "kept: another connection uses it"
    import_id = office.ask(0, second)
    office.world.run_due()
    assert office.world.import_row(import_id).state is ImportState.SUCCEEDED
    disconnect(office.world.database, BY_COMMAND_LINE, theirs)
    office.world.run_due()
    assert office.grants.counts == {"deletions": 1, "revocations": 1}


def test_a_login_with_another_practice_keeps_its_tokens(office: Office) -> None:
    second = colleague(office.world)
    office.knobs(consent_tenants=[OTHER_TENANT])
    [user] = office.grants.connected
    office.grants.connected[user].remove(office.connection().tenant_id)  # so that their consent has one practice only
    theirs = connected(office.world, second).connection_id
    disconnect(office.world.database, BY_COMMAND_LINE, office.connection_id)
    office.world.run_due()
    assert office.grants.counts["revocations"] == 0
    assert office.connection(theirs).state is ConnectionState.CONNECTED
    assert office.login().access_token is not None


def test_reconnected_before_the_worker_came_to_it_nothing_is_ended(office: Office) -> None:
    disconnect(office.world.database, BY_COMMAND_LINE, office.connection_id)
    again = connected(office.world, office.partner)
    office.world.run_due()
    assert office.grants.counts == {}
    assert office.connection(again.connection_id).state is ConnectionState.CONNECTED


def offered(office: Office) -> Choice:
    """The partner comes back from Xero, and may choose."""
    office.knobs(consent_tenants=[TENANT, OTHER_TENANT])
    choice = complete(office.world, office.partner, come_back(office.world, office.partner))
    assert isinstance(choice, Choice)
    return choice


def succeeds(office: Office) -> bool:
    import_id = office.ask()
    office.world.run_due()
    return office.world.import_row(import_id).state is ImportState.SUCCEEDED


def test_while_a_practice_is_being_chosen_nothing_is_ended(both_offices: Office) -> None:
    # Given a partner who disconnects and, before the worker comes to it, gets a choice
    office = both_offices
    disconnect(office.world.database, BY_COMMAND_LINE, office.connection_id)
    choice = offered(office)
    # When the worker comes to it, then it waits, and the choice makes a connection that works
    office.run_job(KIND)
    choose(office.world.database, office.partner, choice.consent_id, TENANT)
    assert succeeds(office)
    # And later it finds the connection in use
    office.world.pass_time(61)
    office.run_job(KIND)
    assert (office.grants.counts, left(office)) == ({}, "kept: another connection uses it")


def test_the_practice_that_was_not_chosen_is_left(office: Office) -> None:
    disconnect(office.world.database, BY_COMMAND_LINE, office.connection_id)
    choice = offered(office)
    office.run_job(KIND)
    chosen = choose(office.world.database, office.partner, choice.consent_id, OTHER_TENANT)
    office.world.pass_time(61)
    office.run_job(KIND)
    assert (office.grants.counts, left(office)) == ({"deletions": 1}, "deleted at Xero")
    assert office.connection(chosen.connection_id).state is ConnectionState.CONNECTED
    assert office.login().access_token is not None


def test_when_nobody_chooses_the_consent_is_ended(office: Office) -> None:
    disconnect(office.world.database, BY_COMMAND_LINE, office.connection_id)
    offered(office)
    office.run_job(KIND)
    office.world.pass_time(601)
    office.run_job(KIND)
    assert office.grants.counts == {"deletions": 1, "revocations": 1}
    assert office.login().access_token is None


def test_while_the_person_is_at_xero_nothing_is_ended(office: Office) -> None:
    disconnect(office.world.database, BY_COMMAND_LINE, office.connection_id)
    back = come_back(office.world, office.partner)
    office.run_job(KIND)
    assert isinstance(complete(office.world, office.partner, back), Connected)
    assert (office.grants.counts, succeeds(office)) == ({}, True)


def meanwhile(monkeypatch: pytest.MonkeyPatch, name: str, happens: Callable[[], object]) -> None:
    """Something happens while Xero answers the next call of this name."""
    call = getattr(XeroConnections, name)

    def slow(*given: Any) -> Any:
        monkeypatch.setattr(XeroConnections, name, call)
        answer = call(*given)
        happens()
        return answer

    monkeypatch.setattr(XeroConnections, name, slow)


@pytest.mark.parametrize(("call", "deletions"), [("tenants", 0), ("delete", 1)])
def test_a_reconnect_while_xero_answers_is_not_ended(
    office: Office, monkeypatch: pytest.MonkeyPatch, call: str, deletions: int
) -> None:
    # Given a worker that is about to end the consent, and a Xero that is slow
    disconnect(office.world.database, BY_COMMAND_LINE, office.connection_id)
    meanwhile(monkeypatch, call, office.reconnect)
    # When the partner connects again meanwhile, then the new consent is kept
    office.run_job(KIND)
    assert (office.grants.counts["deletions"], office.grants.counts["revocations"]) == (deletions, 0)
    assert succeeds(office)


def test_what_waited_for_a_reconnect_is_turned_down_at_once(office: Office) -> None:
    office.grants.revoke_all()
    import_id = office.ask()
    office.world.run_due()
    disconnect(office.world.database, BY_COMMAND_LINE, office.connection_id)
    office.world.run_due()
    row = office.world.import_row(import_id)
    assert (row.state, row.outcome_code) == (ImportState.REJECTED, "integration_not_configured")


def test_the_partner_may_connect_again(office: Office) -> None:
    disconnect(office.world.database, BY_COMMAND_LINE, office.connection_id)
    office.world.run_due()
    again = connected(office.world, ConnectingStaff(office.world.practice_id, office.partner.staff_id))
    assert again.connection_id != office.connection_id
    import_id = office.ask()
    office.world.run_due()
    assert office.world.import_row(import_id).state is ImportState.SUCCEEDED
