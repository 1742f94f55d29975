"""Tokens are shared: many jobs cause one refresh, killed refreshers break nothing, connections do not fight over tokens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from portal_db.database import Tx
from portal_db.states import ConnectionState
from portal_db.tables import XeroLogin
from portal_db.xero import logins
from tests.handlers.xero.office import Office, colleague, connected, states
from tests.racing import at_once, failures
from xpm.oauth import LEASE_SECONDS, MAX_COOLING_SECONDS

JOBS = 50


def _run_all_at_once(office: Office) -> list[str]:
    """Ask for 50 imports and run their first jobs in 50 threads, each as another process would."""
    import_ids = [office.ask(number) for number in range(JOBS)]
    jobs = [office.job(import_id).id for import_id in import_ids]
    assert failures(at_once(*[lambda job=job: office.world.runner(owner=str(job)).run(job) for job in jobs])) == []
    office.world.pass_time(60)  # some may have waited too long for the one refresh, and been put off
    office.world.run_due()
    return sorted(states(office.world, import_ids))


def test_fifty_jobs_whose_token_ran_out_cause_one_refresh(both_offices: Office) -> None:
    office = both_offices
    office.expire()
    assert _run_all_at_once(office) == ["succeeded"]
    assert office.grants.counts == {"refreshes": 1}


def test_fifty_jobs_that_xero_says_expired_to_cause_one_refresh(both_offices: Office) -> None:
    """Xero's clock is ahead of ours: all fifty may be refused, and one asks for a new token."""
    office = both_offices
    office.grants.expire_all()
    assert _run_all_at_once(office) == ["succeeded"]
    assert office.grants.counts == {"refreshes": 1}
    assert office.calls() <= 2 * JOBS


def test_fifty_jobs_whose_consent_ended_break_it_once(both_offices: Office) -> None:
    office = both_offices
    office.expire()
    office.grants.revoke_all()
    assert _run_all_at_once(office) == ["waiting"]
    assert office.grants.counts == {"invalid_grants": 1}
    assert (len(office.letters()), office.connection().breaks) == (1, 1)
    assert office.reconnect().woken == JOBS
    office.world.run_due()
    assert office.world.scalar("SELECT count(*) FROM imports WHERE state <> 'succeeded'") == 0


def _die_between_refresh_and_store(office: Office) -> None:
    settings = office.world.services.settings
    told = {
        "DATABASE_URL": settings.database_url,
        "TOKEN_KEYS": settings.token_keys[0].get_secret_value(),
        "XERO_IDENTITY_URL": settings.xero_identity_url,
        "XERO_CLIENT_ID": settings.xero_client_id,
        "XERO_CLIENT_SECRET": settings.xero_client_secret.get_secret_value(),
    }
    program = [sys.executable, "-m", "tests.handlers.xero.dying_refresher", str(office.connection().xero_login_id)]
    died = subprocess.run(program, env={**os.environ, **told}, timeout=60, check=False)
    assert died.returncode == -signal.SIGKILL


def test_a_worker_killed_between_refresh_and_storing_breaks_nothing(both_offices: Office) -> None:
    office = both_offices
    office.expire()
    # Given a process that got new tokens from Xero and was killed before it could store them
    _die_between_refresh_and_store(office)
    assert office.grants.counts == {"refreshes": 1}
    assert (office.login().version, office.login().refresh_lease is None) == (1, False)
    # When its lease has run out
    office.world.pass_time(LEASE_SECONDS)
    import_id = office.ask()
    office.world.run_due()
    # Then the next one tried the old refresh token again, within Xero's grace
    assert states(office.world, [import_id]) == {"succeeded"}
    assert office.grants.counts == {"refreshes": 2, "reuses": 1}
    assert office.state() == (ConnectionState.CONNECTED, None)


def lease_refresh(tx: Tx, login: XeroLogin) -> bool:
    """As another process would."""
    limits = {"seconds": LEASE_SECONDS, "longest_cooling": MAX_COOLING_SECONDS}
    return logins.lease_refresh(tx, login.id, tx.new_id(), version=login.version, **limits)


def test_of_two_who_would_refresh_the_same_tokens_one_may(both_offices: Office) -> None:
    office = both_offices
    login = office.login()

    def takes() -> bool:
        with office.world.database.write() as tx:
            return lease_refresh(tx, login)

    assert [takes(), takes()] == [True, False]


def test_jobs_beside_a_killed_refresher_wait_without_an_attempt(office: Office) -> None:
    office.expire()
    with office.world.database.write() as tx:
        login = office.login()
        assert lease_refresh(tx, login)
    import_id = office.ask()
    office.world.run_due()
    job = office.job(import_id)
    assert (job.error_code, job.attempts, job.deferrals) == ("xero_token", 0, 1)
    office.world.pass_time(LEASE_SECONDS)
    office.world.run_due()
    assert states(office.world, [import_id]) == {"succeeded"}


def test_two_connections_of_one_xero_login_never_kill_each_others_token(both_offices: Office) -> None:
    office = both_offices
    # Given a second staff member who connected with the same Xero user
    second = colleague(office.world)
    theirs = connected(office.world, second).connection_id
    assert office.connection(theirs).xero_login_id == office.connection().xero_login_id
    # When for a day both import in turns, and no grace is ever given
    for turn in range(8):
        office.expire()
        office.grants.end_grace()
        office.ask(turn, (office.partner, second)[turn % 2])
        office.world.run_due()
    # Then each refresh used the newest token, and nobody had to connect again
    assert office.grants.counts == {"refreshes": 8}
    assert office.world.scalar("SELECT count(*) FROM imports WHERE state <> 'succeeded'") == 0
    assert office.connection(theirs).state is office.connection().state is ConnectionState.CONNECTED


def test_a_login_that_ends_breaks_all_its_connections_and_each_owner_is_told(office: Office) -> None:
    second = colleague(office.world)
    theirs = connected(office.world, second).connection_id
    office.expire()
    office.grants.revoke_all()
    office.ask()
    office.world.run_due()
    assert office.connection(theirs).state is office.connection().state is ConnectionState.BROKEN
    assert len(set(office.letters())) == len(office.letters()) == 2
    assert office.grants.counts == {"invalid_grants": 1}
