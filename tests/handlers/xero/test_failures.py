"""Each row of the failure matrix: what Xero does, what the job is told, and what becomes of the connection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from portal_db.states import ConnectionState, ImportState, JobState
from portal_db.xero import connections
from tests.handlers.xero.office import OTHER_TENANT, Office
from xpm.simulator.faults import FaultRule


def tenant_disconnected(office: Office) -> None:
    [user] = office.grants.connected
    office.grants.connected[user] = [OTHER_TENANT]


def revoked_and_expired(office: Office) -> None:
    office.expire()
    office.grants.revoke_all()


def reused_after_grace(office: Office) -> None:
    """A copy of our refresh token is used elsewhere, and 30 minutes go by."""
    token = office.world.services.settings.vault.decrypt(office.login().refresh_token or b"").decode()
    office.grants.renew(token, life=1800)
    office.expire()
    office.grants.end_grace()


def never_fresh(office: Office) -> None:
    """Whatever token Xero gives, it does not accept."""
    office.knobs(access_token_seconds=0.0)
    office.grants.expire_all()


@dataclass(frozen=True)
class Row:
    """`calls` of XPM and `refreshes` are what it may cost at most to find out."""

    happens: Callable[[Office], None]
    code: str
    words: str
    calls: int
    refreshes: int


BREAKS = {
    "scope missing": Row(
        lambda office: office.knobs(scope_missing=True), "scope_missing", "everything that Xero lists", 2, 0
    ),
    "tenant disconnected": Row(tenant_disconnected, "tenant_disconnected", "Reconnect XPM", 2, 0),
    "staff privilege lost": Row(
        lambda office: office.knobs(privilege_lost=True), "privilege_lost", "Connect third-party add-ons", 2, 0
    ),
    "all tenants removed": Row(
        lambda office: office.grants.connected.clear(), "all_tenants_removed", "Reconnect XPM", 2, 0
    ),
    "refresh token revoked": Row(revoked_and_expired, "grant_refused", "Reconnect XPM", 0, 0),
    "access token revoked": Row(lambda office: office.grants.revoke_all(), "grant_refused", "Reconnect XPM", 1, 0),
    "refresh token reused after its grace": Row(reused_after_grace, "grant_refused", "Reconnect XPM", 0, 1),
    "a fresh token is refused too": Row(
        never_fresh,
        "token_refused",
        "Reconnect XPM",
        4,
        3,
    ),
}  # fmt: skip


MINUTE = 60.0
HALF_AN_HOUR = 1800.0


def run_until_decided(office: Office) -> None:
    """Run what is due, and again a minute later."""
    office.world.run_due()
    office.world.pass_time(MINUTE)
    office.world.run_due()


@pytest.mark.parametrize("name", BREAKS)
def test_what_breaks_a_connection(office: Office, name: str) -> None:
    row = BREAKS[name]
    # Given a connection that works, and then what the row says
    row.happens(office)
    # When an import needs it
    import_id = office.ask()
    run_until_decided(office)
    # Then the job waits with the one code and words for the cause
    job = office.job(import_id)
    assert (job.state, job.error_code) == (JobState.WAITING, "reconnect_xpm")
    assert row.words in (job.error_action or "")
    assert office.world.import_row(import_id).state is ImportState.WAITING
    # And the connection is broken, its owner was told once, and Xero was not asked again and again
    assert office.state() == (ConnectionState.BROKEN, row.code)
    assert len(office.letters()) == 1
    assert office.calls() <= row.calls
    assert office.grants.counts["refreshes"] <= row.refreshes
    refused = office.grants.counts["invalid_grants"]
    for _ in range(3):
        office.ask(1)
        office.world.pass_time(300)
        office.world.run_due()
    assert (office.calls() <= row.calls, office.grants.counts["invalid_grants"]) == (True, refused)
    assert len(office.letters()) == 1


@pytest.mark.parametrize("name", [*BREAKS])
def test_each_break_is_mended_by_reconnecting(office: Office, name: str) -> None:
    BREAKS[name].happens(office)
    import_id = office.ask()
    run_until_decided(office)
    office.knobs(scope_missing=False, privilege_lost=False, access_token_seconds=1800.0)
    assert office.reconnect().connection_id == office.connection_id
    office.world.run_due()
    assert office.world.import_row(import_id).state is ImportState.SUCCEEDED


def test_an_access_token_that_ran_out_is_refreshed_once_and_the_call_retried(office: Office) -> None:
    """Our clock still thinks it good: Xero's word counts."""
    office.grants.expire_all()
    import_id = office.ask()
    office.world.run_due()
    assert office.world.import_row(import_id).state is ImportState.SUCCEEDED
    assert (office.calls(), office.grants.counts["refreshes"]) == (2, 1)
    assert office.state() == (ConnectionState.CONNECTED, None)
    assert office.letters() == []


def test_a_token_is_refreshed_before_it_runs_out(office: Office) -> None:
    office.world.pass_time(1741)
    office.ask()
    office.world.run_due()
    assert (office.calls(), office.grants.counts["refreshes"]) == (1, 1)


def test_a_refresh_that_fails_for_now_makes_the_job_wait_and_breaks_nothing(office: Office) -> None:
    office.expire()
    office.knobs(identity_status=503)
    first, second = office.ask(0), office.ask(1)
    office.world.run_due()
    assert (office.job(first).error_code, office.job(first).attempts) == ("xero_unavailable", 1)
    # The second one finds the refresh cooling down, which is nobody's fault.
    assert (office.job(second).error_code, office.job(second).attempts) == ("xero_token", 0)
    assert office.state() == (ConnectionState.CONNECTED, None)
    assert office.letters() == []
    office.knobs(identity_status=None)
    office.world.pass_time(300)
    office.world.run_due()
    assert {office.world.import_row(row).state for row in (first, second)} == {ImportState.SUCCEEDED}
    assert office.login().refresh_failures == 0


def test_an_app_that_xero_does_not_accept_is_for_operations(office: Office) -> None:
    office.expire()
    office.xero.simulator.client_secret = "changed at Xero"
    import_id = office.ask()
    office.world.run_due()
    job = office.job(import_id)
    assert job.error_code == "xero_app_refused"
    assert "XERO_CLIENT_SECRET" in (job.error_action or "")
    assert office.state() == (ConnectionState.CONNECTED, None)


def test_xero_being_away_while_a_denial_is_looked_into_decides_nothing(office: Office) -> None:
    """A 403 of XPM, and no list of connections to tell why: tried again later."""
    tenant_disconnected(office)
    broken_list = office.world.services.settings.model_copy(
        update={"xero_connections_url": "http://127.0.0.1:1/connections"}
    )
    import_id = office.ask()
    job_id = office.job(import_id).id
    office.world.runner(services=replace(office.world.services, settings=broken_list)).run(job_id)
    assert office.job(import_id).error_code == "xero_unavailable"
    assert office.state() == (ConnectionState.CONNECTED, None)


DENIALS = {name: row for name, row in BREAKS.items() if row.code != "grant_refused"}


@pytest.mark.parametrize("name", DENIALS)
def test_a_denial_of_a_moment_breaks_nothing_and_tells_nobody(office: Office, name: str) -> None:
    # Given that Xero denies access once
    [connected] = [list(tenants) for tenants in office.grants.connected.values()]
    [user] = office.grants.connected
    DENIALS[name].happens(office)
    import_id = office.ask()
    office.world.run_due()
    job = office.job(import_id)
    assert (job.state, job.error_code) == (JobState.WAITING, "xero_denied")
    assert office.state() == (ConnectionState.CONNECTED, None)
    # When it does not a minute later
    office.knobs(scope_missing=False, privilege_lost=False, access_token_seconds=1800.0)
    office.grants.connected[user] = connected
    office.world.pass_time(MINUTE)
    office.world.run_due()
    # Then the import is done, nobody was told, and the denial is forgotten
    assert office.world.import_row(import_id).state is ImportState.SUCCEEDED
    assert (office.letters(), office.connection().denied_at) == ([], None)


def test_many_denials_within_a_minute_are_one(office: Office) -> None:
    office.knobs(privilege_lost=True)
    for number in range(5):
        office.ask(number)
    office.world.run_due()
    office.world.pass_time(MINUTE / 2)
    office.ask(5)
    office.world.run_due()
    assert (office.state(), office.letters()) == ((ConnectionState.CONNECTED, None), [])
    # The wait of each is what is left of the first one's minute
    office.world.pass_time(MINUTE / 2)
    office.world.run_due()
    assert office.state() == (ConnectionState.BROKEN, "privilege_lost")
    assert len(office.letters()) == 1


def test_a_denial_of_long_ago_is_not_the_first_of_two(office: Office) -> None:
    office.knobs(privilege_lost=True)
    with office.world.database.write() as tx:
        connections.note_denial(tx, office.connection_id)
    office.world.pass_time(2 * connections.DENIAL_COUNTS_SECONDS)
    office.ask()
    office.world.run_due()
    assert office.state() == (ConnectionState.CONNECTED, None)


def test_no_connections_once_is_a_moment(office: Office) -> None:
    """XPM denies a call, and Xero's list is empty, once; a minute later all is well."""
    office.knobs(privilege_lost=True)
    office.xero.simulator.faults.add(FaultRule("empty_list", "connections"))
    import_id = office.ask()
    office.world.run_due()
    assert (office.job(import_id).error_code, office.state()) == ("xero_denied", (ConnectionState.CONNECTED, None))
    office.knobs(privilege_lost=False)
    office.world.pass_time(MINUTE)
    office.world.run_due()
    assert office.world.import_row(import_id).state is ImportState.SUCCEEDED
    assert office.letters() == []


@pytest.mark.parametrize("kind", ["html_200", "html_403", "redirect", "no_content"])
@pytest.mark.parametrize("operation", ["client.api/get", "connections"])
def test_a_page_of_something_in_between_breaks_nothing_however_often_it_comes(
    office: Office, kind: str, operation: str
) -> None:
    if operation == "connections":
        office.knobs(privilege_lost=True)  # so that the list of connections is asked for
    office.xero.simulator.faults.add(FaultRule(kind, operation, count=12))  # type: ignore[arg-type]  # a literal
    import_id = office.ask()
    for _ in range(4):
        office.world.run_due()
        office.world.pass_time(HALF_AN_HOUR)
    assert (office.state(), office.letters()) == ((ConnectionState.CONNECTED, None), [])
    assert office.job(import_id).state is JobState.WAITING
    office.knobs(privilege_lost=False)
    office.xero.simulator.faults.clear()
    office.world.run_due()
    assert office.world.import_row(import_id).state is ImportState.SUCCEEDED
