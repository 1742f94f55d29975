"""Guards of connecting to Xero: consents, tokens and their refresh (handlers, xpm.oauth)."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant

CONSENTS = "portal_db/xero/consents.py"
LOGINS = "portal_db/xero/logins.py"
CONNECT = "handlers/integration/connect.py"
TEST_CONNECT = "tests/handlers/xero/test_connect.py"
SINGLE_FLIGHT = "tests/handlers/xero/test_single_flight.py"
REFRESHING = "xpm/oauth/refreshing.py"
TEST_REFRESHING = "tests/xpm/oauth/test_refreshing.py"

XERO = (
    Mutant(
        "consent-state",
        "an answer from Xero is valid only for the person who was sent there",
        "somebody connects their practice to another person's account",
        (
            Edit(
                CONSENTS,
                "            XeroConsent.state_hash == state_hash,\n            XeroConsent.staff_id == staff_id,\n",
                "            XeroConsent.state_hash == state_hash,\n",
            ),
        ),
        (f"{TEST_CONNECT}::test_somebody_elses_answer_is_refused",),
    ),
    Mutant(
        "denial-twice",
        "Xero has to deny a connection for a minute before it is broken",
        "a denial of a moment breaks a connection, and its owner is mailed",
        (Edit("handlers/xero/tokens.py", "        if wait > 0:\n", "        if wait < 0:\n"),),
        (
            "tests/handlers/xero/test_failures.py::test_a_denial_of_a_moment_breaks_nothing_and_tells_nobody[staff privilege lost]",
        ),
    ),
    Mutant(
        "consent-unknown",
        "an answer with a state that we never issued is refused",
        "a forged answer connects another practice",
        (Edit(CONSENTS, "            XeroConsent.state_hash == state_hash,\n"),),
        (f"{TEST_CONNECT}::test_a_state_that_we_never_gave_is_refused",),
    ),
    Mutant(
        "consent-once",
        "an answer from Xero is valid once",
        "an intercepted answer is replayed",
        (Edit(CONSENTS, "            XeroConsent.answered_at.is_(None),\n"),),
        ("tests/portal_db/xero/test_consents.py::test_an_answer_is_taken_once[sqlite]",),
    ),
    Mutant(
        "consent-time",
        "an answer from Xero is valid for ten minutes",
        "an intercepted answer is replayed later",
        (
            Edit(
                CONSENTS,
                "            XeroConsent.answered_at.is_(None),\n            XeroConsent.expires_at > db_now(),\n",
                "            XeroConsent.answered_at.is_(None),\n",
            ),
        ),
        (f"{TEST_CONNECT}::test_an_answer_is_good_for_ten_minutes",),
    ),
    Mutant(
        "tokens-sealed",
        "tokens are encrypted in the database",
        "anyone who reads the database can read the practice's clients",
        (
            Edit(
                CONNECT,
                '"access_token": settings.vault.encrypt(grant.access_token.encode()),',
                '"access_token": grant.access_token.encode(),',
            ),
        ),
        (f"{TEST_CONNECT}::test_tokens_are_kept_encrypted_and_the_consent_is_gone",),
    ),
    Mutant(
        "refreshed-sealed",
        "refreshed tokens are encrypted in the database",
        "anyone who reads the database can read the practice's clients",
        (
            Edit(
                "handlers/xero/tokens.py",
                "access=self.vault.encrypt(grant.access_token.encode()),",
                "access=grant.access_token.encode(),",
            ),
        ),
        (f"{SINGLE_FLIGHT}::test_two_connections_of_one_xero_login_never_kill_each_others_token[sqlite]",),
    ),
    Mutant(
        "refresh-lease",
        "one process at a time refreshes a login's tokens",
        "two refreshes invalidate each other's token",
        (Edit(LOGINS, "        has_ended(XeroLogin.refresh_lease_until, seconds),\n"),),
        (f"{SINGLE_FLIGHT}::test_of_two_who_would_refresh_the_same_tokens_one_may[sqlite]",),
    ),
    Mutant(
        "break-newest",
        "failed tokens break a connection only while they are the newest",
        "a job that is still failing undoes a reconnect",
        (
            Edit(
                "portal_db/xero/connections.py",
                "XeroLogin.id == xero_login_id, XeroLogin.version == version)",
                "XeroLogin.id == xero_login_id)",
            ),
        ),
        (f"{TEST_CONNECT}::test_a_reconnect_while_the_old_tokens_fail_breaks_nothing",),
    ),
    Mutant(
        "rotate-newest",
        "rotating keys does not restore older tokens",
        "tokens that were refreshed meanwhile are lost",
        (
            Edit(
                LOGINS,
                "update_rows(tx, XeroLogin, _is(login_id, version), access_token=access, refresh_token=refresh)",
                "update_rows(tx, XeroLogin, XeroLogin.id == login_id, access_token=access, refresh_token=refresh)",
            ),
        ),
        ("tests/handlers/xero/test_rotate_keys.py::test_tokens_renewed_meanwhile_are_never_put_back",),
    ),
)

TOKENS = (
    Mutant(
        "refresh-single",
        "only the holder of the lease refreshes",
        "two refreshes invalidate each other's token",
        (
            Edit(
                REFRESHING,
                "        if not self._store.take_lease(login_id, lease, version=stored.version, seconds=LEASE_SECONDS):\n            return None\n",
                "        self._store.take_lease(login_id, lease, version=stored.version, seconds=LEASE_SECONDS)\n",
            ),
        ),
        (f"{TEST_REFRESHING}::test_whoever_does_not_get_the_lease_asks_xero_for_nothing",),
    ),
    Mutant(
        "refresh-stored-first",
        "new tokens are stored before they are used",
        "a crash loses the only token that Xero still accepts",
        (
            Edit(
                REFRESHING,
                '        if not self._store.store(login_id, lease, grant, version=stored.version, age=age):\n            metrics.TOKEN_REFRESHES.labels("lost").inc()\n            return None\n',
                "        del age\n",
            ),
        ),
        (f"{TEST_REFRESHING}::test_new_tokens_are_stored_before_they_are_used",),
    ),
    Mutant(
        "refresh-lease-lost",
        "a process that lost the lease does not use the tokens it received",
        "two tokens are in use, and one invalidates the other",
        (
            Edit(
                REFRESHING,
                '        if not self._store.store(login_id, lease, grant, version=stored.version, age=age):\n            metrics.TOKEN_REFRESHES.labels("lost").inc()\n            return None\n',
                "        self._store.store(login_id, lease, grant, version=stored.version, age=age)\n",
            ),
        ),
        (f"{TEST_REFRESHING}::test_whoever_lost_the_lease_keeps_nothing_and_reads_again",),
    ),
    Mutant(
        "refresh-reads-again",
        "a refused grant is checked against newer tokens first",
        "a connection that another process just refreshed is broken",
        (
            Edit(
                REFRESHING,
                "            if self._store.refuse(login_id, lease, version=stored.version):\n                raise ReconnectNeeded(stored.version) from None\n            return None\n",
                "            self._store.refuse(login_id, lease, version=stored.version)\n            raise ReconnectNeeded(stored.version) from None\n",
            ),
        ),
        (f"{TEST_REFRESHING}::test_a_refusal_is_checked_against_newer_tokens_first",),
    ),
    Mutant(
        "refresh-cooling",
        "after a failed refresh no process tries again for a while",
        "fifty jobs call Xero's sign-in at once",
        (
            Edit(
                REFRESHING,
                "lease, seconds=_cooling(stored.failures, error))",
                "lease, seconds=0.0)",
            ),
        ),
        (f"{TEST_REFRESHING}::test_after_a_failed_refresh_nobody_tries_for_a_while[error0]",),
    ),
)

MUTANTS = (*XERO, *TOKENS)
