"""Guards of connecting to Xero: consents, tokens and their refresh (handlers, xpm.oauth)."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant

CONSENTS = "portal_db/xero/consents.py"
LOGINS = "portal_db/xero/logins.py"
CONNECT = "handlers/integration/connect.py"
DISCONNECT = "handlers/integration/disconnect.py"
SYNC = "handlers/directory/sync.py"
HANDOVER = "portal_db/xero/handover.py"
TEST_CONNECT = "tests/handlers/xero/test_connect.py"
TEST_DISCONNECT = "tests/handlers/xero/test_disconnect.py"
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
    Mutant(
        "leave-connecting",
        "a consent is not ended while somebody may choose one of its practices",
        "a reconnect breaks at its first call, and its owner is mailed",
        (
            Edit(
                DISCONNECT,
                "    if consents.is_connecting(tx, staff_id=connection.staff_id, login_id=connection.xero_login_id):\n",
                "    if False:\n",
            ),
            Edit(
                LOGINS,
                "        exists().where(XeroConsent.xero_login_id == login_id, XeroConsent.expires_at > db_now()),\n",
            ),
        ),
        (
            f"{TEST_DISCONNECT}::test_while_a_practice_is_being_chosen_nothing_is_ended[sqlite]",
            f"{TEST_DISCONNECT}::test_the_practice_that_was_not_chosen_is_left",
        ),
    ),
    Mutant(
        "leave-waits",
        "leaving Xero waits until a choice is made or over",
        "a consent that nobody chose from is never ended, nor a practice left that was not chosen",
        (
            Edit(
                DISCONNECT,
                "    if consents.is_connecting(tx, staff_id=connection.staff_id, login_id=connection.xero_login_id):\n",
                "    if False:\n",
            ),
        ),
        (
            f"{TEST_DISCONNECT}::test_the_practice_that_was_not_chosen_is_left",
            f"{TEST_DISCONNECT}::test_when_nobody_chooses_the_consent_is_ended",
        ),
    ),
    Mutant(
        "leave-at-xero",
        "leaving Xero waits for its owner to come back from there",
        "the practice that they just allowed access to is removed",
        (
            Edit(
                CONSENTS,
                "or_(XeroConsent.staff_id == staff_id, XeroConsent.xero_login_id == login_id)",
                "or_(XeroConsent.xero_login_id == login_id)",
            ),
        ),
        (f"{TEST_DISCONNECT}::test_while_the_person_is_at_xero_nothing_is_ended",),
    ),
    Mutant(
        "leave-reads-again",
        "after Xero listed the practices, it is read again whether one is in use",
        "a practice that was connected again meanwhile is removed at Xero",
        (
            Edit(
                DISCONNECT,
                "                if _is_used(tx, connection, tenant_id=connection.tenant_id):\n                    return XeroOutcome.STILL_USED\n",
                "                del tx\n",
            ),
        ),
        (f"{TEST_DISCONNECT}::test_a_reconnect_while_xero_answers_is_not_ended[tenants-0]",),
    ),
    Mutant(
        "revoke-reads-again",
        "tokens are revoked only if nothing uses them when they are read",
        "a consent that was given meanwhile is ended",
        (Edit(DISCONNECT, "        if _is_used(tx, connection):\n            return None\n"),),
        (
            f"{TEST_DISCONNECT}::test_a_reconnect_while_xero_answers_is_not_ended[delete-1]",
            f"{TEST_DISCONNECT}::test_a_login_with_another_practice_keeps_its_tokens",
        ),
    ),
    Mutant(
        "tokens-offered",
        "tokens that somebody may choose a practice for are not deleted",
        "what they choose is connected without tokens, and breaks",
        (
            Edit(
                LOGINS,
                "        exists().where(XeroConsent.xero_login_id == login_id, XeroConsent.expires_at > db_now()),\n",
            ),
        ),
        (f"{TEST_CONNECT}::test_tokens_that_a_colleague_may_choose_a_practice_for_are_not_forgotten[sqlite]",),
    ),
    Mutant(
        "links-come-along",
        "who disconnects and comes back as another Xero user takes their clients' links along",
        "their relationships are never updated from XPM again, and nobody hears of it",
        (Edit(SYNC, "        _take_over_links(tx, directory)\n", "        pass\n"),),
        (f"{TEST_CONNECT}::test_coming_back_as_another_xero_user_takes_the_clients_along[sqlite]",),
    ),
    Mutant(
        "links-of-the-disconnected",
        "only the links of a disconnected connection come along",
        "each full sync moves all links to where they are, and audits it",
        (Edit(HANDOVER, "            _former.state == ConnectionState.DISCONNECTED,\n"),),
        (f"{TEST_CONNECT}::test_coming_back_as_another_xero_user_takes_the_clients_along[sqlite]",),
    ),
    Mutant(
        "links-of-their-own",
        "only links of one's own former connection come along",
        "b.13: clients of a colleague are read through somebody else's connection, without a hand-over",
        (Edit(HANDOVER, "                XpmConnection.staff_id == _former.staff_id,\n"),),
        (f"{TEST_CONNECT}::test_who_connects_takes_no_colleagues_clients_along",),
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
