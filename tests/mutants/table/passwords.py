"""Guards of passwords: which are refused, the link for who forgot theirs, sessions, sign-in under attack and its log."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant

RULES = "handlers/access/password_rules.py"
RESET = "handlers/access/password_reset.py"
PASSWORDS = "handlers/access/passwords.py"
LINKS = "portal_db/access/password_links.py"
RESETS = "portal_db/access/password_resets.py"
RULES_TEST = "tests/handlers/access/test_password_rules.py"
RESET_TEST = "tests/handlers/access/test_password_reset.py"
PAGES_TEST = "tests/web/pages/account/test_password.py"
LIMITS = "web/http/sign_in_limits.py"
HASHING = "web/hashing.py"
CREDENTIALS = "portal_db/access/credentials.py"
SESSIONS_TEST = "tests/web/pages/account/test_sessions.py"
LOG_TEST = "tests/web/http/test_sign_in_log.py"
ATTACK = "tests/web/http/test_under_attack.py"

MUTANTS = (
    Mutant(
        "password-common",
        "a password that is guessed first is refused",
        "an account is opened with one of the passwords that attackers try first",
        (Edit(RULES, "    if _guesses(password) < FEWEST_GUESSES:\n", "    if False:\n"),),
        (f"{RULES_TEST}::test_a_common_password_or_a_pattern_is_refused[aaaaaaaaaaaa]",),
    ),
    Mutant(
        "password-personal",
        "a password made of its owner's name, address or firm is refused",
        "an account is opened by who knows its owner",
        (Edit(RULES, "    if _is_like(password, known):\n", "    if False:\n"),),
        (f"{RULES_TEST}::test_a_password_like_its_owner_is_refused[Accounting@Harbour]",),
    ),
    Mutant(
        "password-personal-joined",
        "short words of a name, an address or a firm count where they are joined",
        "who is called Kim Lee has the password kimlee-2026",
        (
            Edit(
                RULES,
                '    return {*words, *joined, "".join(words), "".join(reversed(words))}\n',
                "    return set(words)\n",
            ),
        ),
        tuple(
            f"{RULES_TEST}::test_short_words_count_where_they_are_joined[{password}]"
            for password in ("KimLee-2026!!", "kim.lee@2026", "BDOTax-2026!", "leekim@BDO99")
        ),
    ),
    Mutant(
        "password-hashed-anew",
        "a sign-in hashes the password anew where its hash has other parameters than today's",
        "whoever copies the database guesses passwords of years ago with the parameters of years ago",
        (
            Edit(
                PASSWORDS,
                "    return hash_of(password) if _hasher.check_needs_rehash(password_hash) else None\n",
                "    return None\n",
            ),
        ),
        (
            "tests/web/http/test_sessions.py::test_a_sign_in_hashes_the_password_anew_where_its_parameters_are_not_todays",
        ),
    ),
    Mutant(
        "password-bounded",
        "what zxcvbn looks at is bounded, and has no character with several readings",
        "one request with a chosen password takes a processor for 12 seconds",
        (Edit(RULES, "password.translate(_READ_AS)[:LOOKED_AT]", "password"),),
        (f"{RULES_TEST}::test_what_takes_long_to_look_at_is_not_looked_at",),
    ),
    Mutant(
        "password-rules-of-clients",
        "the rules hold for clients who activate their account",
        "a client's account is opened with one of the passwords that attackers try first",
        (
            Edit(
                "handlers/access/activation.py",
                "    password_rules.require(password, (found",
                "    (lambda *_: None)(password, (found",
            ),
        ),
        ("tests/handlers/access/test_activation.py::test_a_password_like_the_client_or_their_firm_is_refused",),
    ),
    Mutant(
        "reset-answer-first",
        "the answer is given before anybody looks who has the address",
        "the time of the answer tells which addresses have a login",
        (
            Edit(
                "web/http/forgotten.py",
                "    after.add_task(_look, portal, email_key, origin_of(request))\n",
                "    _look(portal, email_key, origin_of(request))\n",
            ),
        ),
        (f"{PAGES_TEST}::test_the_answer_is_given_before_anybody_looks_who_has_the_address",),
    ),
    Mutant(
        "reset-limited",
        "requests for a link are limited for each address",
        "somebody's mailbox is flooded from our sender",
        (Edit(RESET, "    tries.take_reset(email_key, address)\n"),),
        (f"{PAGES_TEST}::test_requests_are_limited_for_each_address_alike",),
    ),
    Mutant(
        "reset-intent",
        "the intent to send a link is committed first, and one that is found is never sent again",
        "invariant 3: a worker that died costs a second email",
        (
            Edit(RESET, "    if letter is None or letter.reset.state is EmailState.SENDING:", "    if letter is None:"),
            Edit(RESET, "letter.reset.state is not EmailState.PENDING or not", "not"),
            Edit(
                "portal_db/access/account_emails.py",
                "    is_pending = table.state == EmailState.PENDING\n",
                "    is_pending = table.id == email_id\n",
            ),
        ),
        (f"{RESET_TEST}::test_an_intent_of_a_worker_that_died_is_not_sent_a_second_time",),
    ),
    Mutant(
        "reset-recent",
        "a link that nobody waits for any more is not sent",
        "after an outage of the mail server, links arrive that nobody expects",
        (Edit(RESET, "is_wanted = letter.is_recent or letter.reset.is_invitation", "is_wanted = True"),),
        (f"{RESET_TEST}::test_an_email_that_could_not_be_sent_for_an_hour_is_not_sent",),
    ),
    Mutant(
        "reset-once",
        "a link that was used sets no other password",
        "whoever finds the email later takes over the account",
        (
            Edit(LINKS, "        .values(ends_at=db_now())\n", "        .values(ends_at=PasswordReset.ends_at)\n"),
            Edit(PASSWORDS, "    password_links.end_all(tx, login_id)\n"),
        ),
        (f"{RESET_TEST}::test_the_link_sets_the_password_once[sqlite]",),
    ),
    Mutant(
        "reset-ends-links",
        "a new password ends every other link",
        "an earlier link sets another password after its owner has set one",
        (Edit(PASSWORDS, "    password_links.end_all(tx, login_id)\n"),),
        (f"{RESET_TEST}::test_a_new_password_ends_every_other_link",),
    ),
    Mutant(
        "password-change-old",
        "changing a password takes the old one",
        "whoever finds an open browser takes over the account",
        (Edit(PASSWORDS, "    if not fits(login.password_hash, password):\n", "    if False:\n"),),
        (f"{PAGES_TEST}::test_a_password_is_changed_by_who_knows_the_old_one_and_the_others_are_signed_out[sqlite]",),
    ),
    Mutant(
        "password-change-limited",
        "tries at the old password are limited",
        "whoever finds an open browser guesses the password",
        (Edit(PASSWORDS, "    tries.take(attempt)\n"),),
        (f"{PAGES_TEST}::test_who_found_an_open_browser_cannot_try_passwords_for_ever",),
    ),
    Mutant(
        "sign-in-known-browser",
        "a browser that somebody signed in with before has a budget of its own",
        "anybody who knows an email locks its owner out",
        (Edit(LIMITS, "    if attempt.browser is not None:\n", "    if False:\n"),),
        (f"{ATTACK}::test_wrong_tries_by_others_lock_nobody_out_of_a_browser_they_know",),
    ),
    Mutant(
        "sign-in-known-by-signature",
        "a browser is known by our signature over the email only",
        "whoever makes up a cookie gets a budget for each guess",
        (
            Edit(
                "web/http/known_browsers.py",
                "    if not hmac.compare_digest(",
                "    if False and not hmac.compare_digest(",
            ),
        ),
        (f"{ATTACK}::test_a_known_browser_is_known_for_one_email_and_by_our_signature_only",),
    ),
    Mutant(
        "sign-in-console-apart",
        "attempts at the console are counted apart from those at the portal",
        "anybody on the internet keeps every operator out by the portal's sign-in page",
        (Edit(LIMITS, '"console " if attempt.at_console else ""', '""'),),
        ("tests/web/console/test_signing_in.py::test_nobody_at_the_portal_locks_an_operator_out",),
    ),
    Mutant(
        "sign-in-failures-only",
        "only failures count",
        "an office whose people sign in often is locked out",
        (Edit("handlers/access/sessions.py", "    tries.take_back(attempt)\n"),),
        (f"{ATTACK}::test_success_uses_up_no_budget",),
    ),
    Mutant(
        "sign-in-by-network",
        "IPv6 addresses are counted by /64",
        "an attacker has 2^64 budgets",
        (Edit(LIMITS, "ip_network((found, 64), strict=False)", "found"),),
        (f"{ATTACK}::test_addresses_of_one_network_share_a_budget[2001:db8::1-2001:db8::ffff:1-True]",),
    ),
    Mutant(
        "hashing-bounded",
        "so many requests at most wait for a hash",
        "a flood of sign-ins is kept waiting for minutes, in memory",
        (Edit(HASHING, "        if self.is_full:\n", "        if False:\n"),),
        (f"{ATTACK}::test_when_too_many_sign_in_at_once_the_rest_are_asked_to_wait_and_everybody_else_works_on",),
    ),
    Mutant(
        "health-on-the-loop",
        "health is answered without a thread",
        "a load balancer takes a busy process for a dead one",
        (Edit("web/http/health.py", "async def alive", "def alive"),),
        (f"{ATTACK}::test_health_is_answered_while_no_thread_is_free",),
    ),
    Mutant(
        "proxies-named",
        "not everybody may be a proxy",
        "each guess comes from an address of its own, as its sender says",
        (Edit("config/settings.py", "            if network.prefixlen == 0:\n", "            if False:\n"),),
        (f"{ATTACK}::test_a_proxy_that_anybody_may_be_is_refused[0.0.0.0/0]",),
    ),
    Mutant(
        "sessions-own",
        "only a session of one's own is ended",
        "anybody signs somebody else out who learned the session's id",
        (
            Edit(
                CREDENTIALS,
                "table.id == session_id, _owned(owner))",
                "table.id == session_id)",
            ),
        ),
        (f"{SESSIONS_TEST}::test_nobody_sees_or_ends_the_session_of_somebody_else[sqlite]",),
    ),
    Mutant(
        "sessions-own-listed",
        "the list has one's own sessions only",
        "anybody sees from where their colleagues work",
        (Edit(CREDENTIALS, "where(_owned(owner), *is_live)", "where(*is_live)"),),
        (f"{SESSIONS_TEST}::test_nobody_sees_or_ends_the_session_of_somebody_else[sqlite]",),
    ),
    Mutant(
        "log-own-practice",
        "the sign-in log shows the reader's own practice",
        "invariant 6: a firm reads when and from where another one's people sign in",
        (Edit("portal_db/access/sign_in_log.py", "        .where(SignInEntry.practice_id == practice_id)\n"),),
        (f"{LOG_TEST}::test_owners_and_account_admins_read_their_own_practices_log_and_nobody_else_does[sqlite]",),
    ),
    Mutant(
        "log-for-managers",
        "owners and account admins read the sign-in log, nobody else",
        "anybody reads when and from where their colleagues sign in",
        (Edit("handlers/access/sign_in_log.py", "    caller.require(Scope.MANAGE)\n"),),
        (f"{LOG_TEST}::test_owners_and_account_admins_read_their_own_practices_log_and_nobody_else_does[sqlite]",),
    ),
    Mutant(
        "log-lockout-once",
        "a lockout is logged once",
        "whoever goes on guessing fills the database",
        (Edit("handlers/access/sessions.py", "        if refusal.is_first:\n", "        if True:\n"),),
        (f"{LOG_TEST}::test_a_lockout_is_logged_once_however_long_they_go_on",),
    ),
    Mutant(
        "log-key-once",
        "a refused key is logged once an hour",
        "a program that goes on with an old key fills the database",
        (
            Edit(
                "handlers/access/sign_in_log.py",
                "    if not sign_in_log.has_recent(tx, practice_id, event, detail, seconds=ONCE_SECONDS):\n",
                "    if True:\n",
            ),
        ),
        (f"{LOG_TEST}::test_a_refused_key_is_logged_at_its_practice_once_an_hour",),
    ),
    Mutant(
        "log-failures",
        "a failed sign-in is logged",
        "nobody sees that a password is being guessed",
        (
            Edit(
                "handlers/access/sessions.py", "        _note_failure(database, attempt, SignInEvent.SIGN_IN_FAILED)\n"
            ),
        ),
        (f"{LOG_TEST}::test_what_proves_who_somebody_is_is_logged_with_time_address_and_agent[sqlite]",),
    ),
    Mutant(
        "log-second-factor",
        "a wrong code of the second factor is logged, as long as it is judged at all",
        "nobody sees that somebody has a password and guesses codes",
        (Edit("handlers/access/mfa.py", "        if refusal.code == refusals.BAD_CODE.code:", "        if False:"),),
        (
            "tests/web/pages/account/test_second_factor_log.py::test_the_second_factor_is_logged_when_it_is_set_up_wrong_and_reset",
        ),
    ),
    Mutant(
        "reset-kept-while-it-works",
        "a request for a new password is kept for as long as its link works",
        "the link of an invitation ends with the first night",
        (
            Edit(
                "portal_db/upkeep/retention.py",
                "func.coalesce(PasswordReset.ends_at, PasswordReset.created_at)",
                "PasswordReset.created_at",
            ),
        ),
        (
            "tests/handlers/operations/test_housekeeping.py"
            "::test_an_invitation_stays_for_as_long_as_its_link_works_and_a_day[sqlite]",
        ),
    ),
    Mutant(
        "reset-kept-until-sent",
        "a request for a new password is kept until its email is settled",
        "an invitation that waits for the mail server is never sent, and its job succeeds",
        (Edit("portal_db/upkeep/retention.py", "and_(is_settled, ended_at < ", "and_(ended_at < "),),
        (
            "tests/handlers/operations/test_housekeeping.py"
            "::test_an_invitation_that_waits_for_the_mail_server_is_sent_in_the_end",
        ),
    ),
    Mutant(
        "reset-of-a-backup",
        "a link that the backup has as unsent is not sent after a restore",
        "invariant 3: an email leaves that may have left since the backup was made",
        (
            Edit(
                "portal_db/upkeep/restores.py",
                "(ReconnectNotice, PasswordReset, SecurityNotice, TaskEmail, CoOwnerInvitation)",
                "(ReconnectNotice, SecurityNotice, TaskEmail, CoOwnerInvitation)",
            ),
        ),
        ("tests/handlers/operations/test_restore.py::test_an_email_with_a_new_password_of_the_backup_is_not_sent",),
    ),
    Mutant(
        "password-not-cut",
        "a password that is too long is not taken for its beginning",
        "what follows the 200th character of a password protects nothing",
        (Edit(RULES, "    return text[: LONGEST + 1]\n", "    return text[:LONGEST]\n"),),
        ("tests/web/pages/account/test_sign_in.py::test_a_password_that_is_too_long_is_not_taken_for_its_beginning",),
    ),
    Mutant(
        "database-over-tls",
        "a PostgreSQL on another machine is used over TLS, unless somebody says that nobody else reaches the network",
        "libpq prefers TLS and goes on without: who stands between reads every row",
        (
            Edit(
                "config/exposure.py",
                "    if not is_encrypted and not all(map(is_loopback, hosts)):\n",
                "    if False:\n",
            ),
        ),
        ("tests/test_exposure.py::test_what_would_be_exposed_is_refused_with_the_way_out[a database without TLS]",),
    ),
)
