"""Guards of the second factor: when it is asked for, that a code is good once and few are tried, and what is stored."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant

FACTOR = "handlers/access/second_factor.py"
STORED = "portal_db/access/second_factors.py"
MFA = "handlers/access/mfa.py"
MEMBERS = "handlers/access/members_mfa.py"
REMEMBERED = "handlers/access/remembered.py"
OF_MEMBERS = "tests/web/pages/settings/test_members_mfa.py"
AGAIN = f"{OF_MEMBERS}::test_a_remembered_browser_is_asked_again_once"
STEP_UP = "tests/web/http/test_confirmation.py"
KEYS = "handlers/access/passkeys.py"
PASSKEYS = "tests/web/pages/account/test_passkeys.py"
TESTS = "tests/web/pages/account/test_second_factor.py"
NOTICE = "handlers/access/security_notice.py"
NOTICES = "tests/handlers/access/test_security_notice.py"

MUTANTS = (
    Mutant(
        "mfa-asked-for",
        "who has a second factor is asked for it after the password",
        "a stolen password signs in alone",
        (Edit(MFA, "        return NextStep.CODE\n", "        return None\n"),),
        (
            f"{TESTS}::test_a_code_is_accepted_once",
            f"{TESTS}::test_programs_that_sign_in_give_the_code_with_the_password",
        ),
    ),
    Mutant(
        "mfa-mandate-enforced",
        "where the practice mandates MFA, nobody signs in without a second factor",
        "the page says that MFA is mandatory while a password signs in alone",
        (Edit(MFA, "NextStep.SET_UP if people.mandates_mfa(tx, found.practice_id) else None", "None"),),
        (
            f"{TESTS}::test_a_mandated_member_sets_an_app_up_before_anything_else_and_is_asked_for_a_code_from_then_on",
            f"{TESTS}::test_a_mandate_counts_from_the_next_sign_in",
        ),
    ),
    Mutant(
        "mfa-stays-on",
        "where MFA is mandatory nobody turns their own off",
        "a member goes back to a password alone, against the firm's rule",
        (
            Edit(
                MFA,
                "        if people.mandates_mfa(tx, caller.practice_id):\n            raise refusals.MFA_IS_MANDATORY()\n",
            ),
        ),
        (f"{TESTS}::test_where_it_is_mandatory_nobody_turns_theirs_off",),
    ),
    Mutant(
        "mfa-code-once",
        "a code's time step is accepted once, by compare-and-set",
        "who reads a code over a shoulder signs in with it within the minute",
        (
            Edit(
                STORED,
                "SecondFactor.login_id == login_id, is_later, last_step=step",
                "SecondFactor.login_id == login_id, last_step=step",
            ),
        ),
        (f"{TESTS}::test_a_code_is_accepted_once",),
    ),
    Mutant(
        "mfa-recovery-code-once",
        "a recovery code signs in once",
        "a code that was seen once is a second factor for ever",
        (Edit(STORED, "*its, RecoveryCode.used_at.is_(None), used_at", "*its, used_at"),),
        (f"{TESTS}::test_a_recovery_code_signs_in_once_however_it_is_typed",),
    ),
    Mutant(
        "mfa-recovery-code-of-account",
        "a recovery code is worth something for its own account only",
        "a colleague's recovery code completes the sign-in with a stolen password",
        (
            Edit(
                STORED,
                "(RecoveryCode.login_id == login_id, RecoveryCode.code_hash == code_hash)",
                "(RecoveryCode.code_hash == code_hash,)",
            ),
            Edit(FACTOR, 'hashlib.sha256(f"{login_id} {code}".encode())', "hashlib.sha256(code.encode())"),
        ),
        (f"{TESTS}::test_a_recovery_code_signs_in_once_however_it_is_typed",),
    ),
    Mutant(
        "mfa-few-tries",
        "an account takes five codes in 15 minutes",
        "of a million codes three are right: a program that knows the password tries them all",
        (Edit(STORED, "mine, SecondFactor.tries < most, tries", "mine, tries"),),
        (f"{TESTS}::test_wrong_codes_close_an_account_for_a_while_and_for_the_right_code_too",),
    ),
    Mutant(
        "mfa-not-replaced-by-password",
        "an app is set up by a password alone only while the account has none",
        "who knows the password replaces the second factor of its owner by their own",
        (
            Edit(
                FACTOR,
                "second_factors.get(tx, login_id) if replacing else None",
                "second_factors.get(tx, login_id)",
            ),
        ),
        (
            "tests/handlers/access/test_second_factor.py"
            "::test_an_app_takes_the_place_of_another_only_for_who_has_that[sqlite]",
        ),
    ),
    Mutant(
        "mfa-qr-code-of-account",
        "a QR code can be set up by the account it was shown to only",
        "somebody has another set up an app whose secret they know",
        (
            Edit(
                FACTOR,
                'if purpose != f"{_PURPOSE} {login_id}":',
                "if not purpose.startswith(_PURPOSE):",
            ),
        ),
        (f"{TESTS}::test_who_knows_only_the_password_replaces_no_second_factor",),
    ),
    Mutant(
        "mfa-waiting-ends-with-password",
        "a new password ends the sign-ins that wait for a second factor",
        "who knew the old password completes the sign-in",
        (
            Edit(
                "portal_db/access/credentials.py",
                "    delete_rows(tx, PendingSignIn, PendingSignIn.login_id == login_id)\n",
            ),
        ),
        (f"{TESTS}::test_a_new_password_ends_the_sign_ins_that_wait",),
    ),
    Mutant(
        "mfa-waiting-once",
        "a sign-in that waits is completed once",
        "a copy of the cookie begins a second session with a second code",
        (
            Edit(
                "handlers/access/halfway.py",
                "    if not second_factors.end_sign_in(tx, hashed(token)):\n        raise refusals.SIGN_IN_ENDED()\n",
            ),
        ),
        (f"{TESTS}::test_a_sign_in_that_waits_is_good_once_and_not_for_long",),
    ),
    Mutant(
        "mfa-waiting-ends",
        "a sign-in waits half an hour for its second factor",
        "a browser left at the code page is a password that never expires",
        (
            Edit(STORED, "token_hash == token_hash, PendingSignIn.ends_at > db_now()", "token_hash == token_hash,"),
            Edit(STORED, "    delete_rows(tx, PendingSignIn, PendingSignIn.ends_at < db_now())\n"),
        ),
        (f"{TESTS}::test_a_sign_in_that_waits_is_good_once_and_not_for_long",),
    ),
    Mutant(
        "mfa-secret-encrypted",
        "an app's secret is stored encrypted under TOKEN_KEYS",
        "a copy of the database is everybody's second factor",
        (
            Edit(FACTOR, "    kept = settings.vault.encrypt(secret.encode())\n", "    kept = secret.encode()\n"),
            Edit(FACTOR, "settings.vault.decrypt(found.secret).decode()", "found.secret.decode()"),
        ),
        (f"{TESTS}::test_secrets_are_kept_encrypted_and_follow_the_keys",),
    ),
    Mutant(
        "mfa-browsers-by-managers",
        "browsers are remembered as owners and account admins decide",
        "any member allows what makes codes rare",
        (Edit(MEMBERS, "    if not caller.role.may_manage:\n", "    if False:\n"),),
        (f"{OF_MEMBERS}::test_no_manager_and_no_other_practice_resets_anything",),
    ),
    Mutant(
        "mfa-reset-by-owners",
        "only owners reset a colleague's second factor",
        "an account admin takes away what protects an owner's account",
        (Edit(MEMBERS, "        if staff.require_may(tx, caller) is not Role.OWNER:\n", "        if False:\n"),),
        (f"{OF_MEMBERS}::test_an_account_admin_takes_no_second_factor_away_and_signs_no_owner_out",),
    ),
    Mutant(
        "sign-out-of-owners",
        "only an owner signs an owner out",
        "an account admin ends an owner's sessions whenever they begin",
        (Edit(MEMBERS, "        staff.require_may(tx, caller, member.role)\n"),),
        (f"{OF_MEMBERS}::test_an_account_admin_takes_no_second_factor_away_and_signs_no_owner_out",),
    ),
    Mutant(
        "mfa-reset-never-ones-own",
        "nobody resets their own second factor",
        "who took over an owner's session takes the second factor away, and has the account for good",
        (Edit(MEMBERS, "    if staff_id == caller.staff_id:\n", "    if False:\n"),),
        (f"{OF_MEMBERS}::test_an_owner_resets_a_colleagues_second_factor_and_never_their_own",),
    ),
    Mutant(
        "mfa-reset-signs-out",
        "a reset ends the member's sessions",
        "whoever has the lost phone's session goes on",
        (
            Edit(
                MEMBERS,
                "    credentials.end_sessions_of_login(tx, member.login_id)\n    actor.audit",
                "    actor.audit",
            ),
        ),
        (f"{OF_MEMBERS}::test_an_owner_resets_a_colleagues_second_factor_and_never_their_own",),
    ),
    Mutant(
        "mfa-browsers-as-firm-allows",
        "a browser is remembered only while the firm allows it",
        "a firm that wants a code each time does not get it",
        (
            Edit(
                MFA,
                "    return practice is not None and practice.remember_browsers\n",
                "    return practice is not None\n",
            ),
        ),
        (f"{OF_MEMBERS}::test_a_browser_is_remembered_for_thirty_days_if_the_firm_allows_it",),
    ),
    Mutant(
        "mfa-browser-signed",
        "the cookie of a remembered browser is signed",
        "anybody makes a cookie that stands for a second factor",
        (
            Edit(
                REMEMBERED,
                "hmac.compare_digest(signature.encode(), _signature(tx, settings, login_id, int(ends)).encode())",
                "bool(signature)",
            ),
        ),
        tuple(
            f"{AGAIN}[{what}]"
            for what in (
                "their browsers are forgotten",
                "their second factor is reset",
                "their password is new",
                "somebody makes the cookie last longer",
            )
        ),
    ),
    Mutant(
        "mfa-browser-end-signed",
        "the signature covers when a browser is forgotten",
        "a cookie of 30 days is one for ever",
        (Edit(REMEMBERED, 'f"{login_id} {ends} {factor', 'f"{login_id} {factor'),),
        (f"{AGAIN}[somebody makes the cookie last longer]",),
    ),
    Mutant(
        "mfa-browser-key",
        "another second factor, and forgetting all browsers, end remembered ones",
        "a lost laptop is never asked for a code again",
        (Edit(REMEMBERED, "{factor.browsers_key if factor else None} "),),
        (f"{AGAIN}[their browsers are forgotten]", f"{AGAIN}[their second factor is reset]"),
    ),
    Mutant(
        "mfa-browser-password",
        "a new password ends remembered browsers",
        "whoever knew the old password keeps a browser that needs no code",
        (Edit(REMEMBERED, ' {password}"\n', '"\n'),),
        (f"{AGAIN}[their password is new]",),
    ),
    Mutant(
        "mfa-browser-ends",
        "a browser is remembered for 30 days",
        "a browser that was trusted once is trusted for ever",
        (Edit(REMEMBERED, " or int(ends) <= database_time(tx.session).timestamp():", ":"),),
        (f"{OF_MEMBERS}::test_a_browser_is_remembered_for_so_long[-1-False]",),
    ),
    Mutant(
        "step-up-asks",
        "acts that give lasting power ask for the second factor again after ten minutes",
        "a session left open, or its cookie, makes API keys and takes the second factor away",
        (
            Edit(
                "handlers/access/confirmation.py",
                "            raise refusals.CONFIRMATION_NEEDED()\n",
                "            pass\n",
            ),
        ),
        (
            f"{STEP_UP}::test_after_ten_minutes_each_act_asks_for_a_code_and_goes_on_with_it",
            f"{STEP_UP}::test_who_has_no_second_factor_confirms_with_their_password",
            f"{STEP_UP}::test_programs_with_a_session_confirm_and_those_with_a_key_are_not_asked",
        ),
    ),
    Mutant(
        "step-up-after-remembered-browser",
        "a session that began at a remembered browser was not confirmed",
        "a stolen laptop and a password make API keys",
        (
            Edit(
                "handlers/access/sign_in_steps.py",
                'by="remembered browser", is_confirmed=False)',
                'by="remembered browser")',
            ),
        ),
        (f"{STEP_UP}::test_a_remembered_browser_is_asked_before_the_first_act",),
    ),
    Mutant(
        "step-up-proof-checked",
        "a session is confirmed by a right code or password only",
        "whoever holds a session confirms it with anything",
        (
            Edit(
                "handlers/access/confirmation.py",
                "        mfa.check(database, settings, login_id, caller, given, origin)\n",
                "        pass\n",
            ),
        ),
        (f"{STEP_UP}::test_after_ten_minutes_each_act_asks_for_a_code_and_goes_on_with_it",),
    ),
    Mutant(
        "step-up-by-session-alone",
        "no API key stands for the session at the acts on it",
        "a key confirms or ends the session of whose cookie comes with it, and guesses a password with made-up ones",
        (
            Edit(
                "web/http/identity.py",
                '    if "authorization" in request.headers:\n        raise refusals.NOT_SIGNED_IN()\n',
            ),
        ),
        tuple(
            f"{STEP_UP}::test_no_key_and_a_password_confirm_or_end_the_session_of_a_cookie[{whose}]"
            for whose in ("the owner's", "somebody else's")
        ),
    ),
    Mutant(
        "step-up-own-session",
        "what proves who somebody is confirms no session but theirs",
        "whoever holds another's session confirms it with their own password",
        (
            Edit(
                "handlers/access/confirmation.py",
                "    if found is None or found.owner != caller.owner:\n",
                "    if found is None:\n",
            ),
        ),
        (f"{STEP_UP}::test_what_proves_one_person_confirms_no_session_of_another",),
    ),
    Mutant(
        "passkey-challenge-once",
        "a passkey's challenge is good once",
        "an answer that was read once signs in again",
        (
            Edit(
                "portal_db/access/passkeys.py",
                "    statement = delete(PasskeyChallenge).where(*its, PasskeyChallenge.ends_at > db_now())\n"
                "    return tx.session.scalar(statement.returning(PasskeyChallenge.challenge))\n",
                "    statement = select(PasskeyChallenge.challenge).where(*its, PasskeyChallenge.ends_at > db_now())\n"
                "    return tx.session.scalar(statement)\n",
            ),
        ),
        (f"{PASSKEYS}::test_a_challenge_is_good_once_for_its_account_and_not_for_long",),
    ),
    Mutant(
        "passkey-challenge-ends",
        "a passkey's challenge waits five minutes",
        "an answer that somebody kept signs in days later",
        (Edit("portal_db/access/passkeys.py", "where(*its, PasskeyChallenge.ends_at > db_now())", "where(*its)"),),
        (f"{PASSKEYS}::test_a_challenge_is_good_once_for_its_account_and_not_for_long",),
    ),
    Mutant(
        "passkey-count",
        "the count of uses that a device reports must grow",
        "a copy of a key's secret signs in unnoticed",
        (Edit(KEYS, "credential_current_sign_count=passkey.sign_count,", "credential_current_sign_count=0,"),),
        (f"{PASSKEYS}::test_a_copy_of_a_key_is_noticed_by_its_count",),
    ),
    Mutant(
        "passkey-unlocked",
        "a passkey counts only if its owner unlocked the device",
        "a stolen phone, locked, is a second factor",
        (
            Edit(
                KEYS,
                "# a count that does not grow is a copy's\n            require_user_verification=True,",
                "# a count that does not grow is a copy's\n            require_user_verification=False,",
            ),
        ),
        (f"{PASSKEYS}::test_what_is_no_proof_is_refused[of_a_device_that_was_not_unlocked]",),
    ),
    Mutant(
        "passkey-of-account",
        "a member removes passkeys of their own only",
        "a colleague takes away another one's way to sign in",
        (
            Edit(
                "portal_db/access/passkeys.py",
                "Passkey.id == passkey_id, Passkey.login_id == login_id",
                "Passkey.id == passkey_id",
            ),
        ),
        (f"{PASSKEYS}::test_a_passkey_is_added_signs_in_in_place_of_a_code_and_is_removed",),
    ),
    Mutant(
        "passkey-first-by-password-only-once",
        "a first passkey is added by a password alone only while the account has no second factor",
        "who knows the password adds a passkey of their own to an account that is protected",
        (
            Edit(
                FACTOR,
                "    if not second_factors.set_up(tx, login_id, None, step=None):\n        raise refusals.SET_UP_ALREADY()\n",
            ),
        ),
        (f"{PASSKEYS}::test_who_knows_only_the_password_adds_no_passkey_and_no_app",),
    ),
    Mutant(
        "passkey-last-stays",
        "a passkey that is the whole second factor is not removed",
        "an account that must have a second factor is left with none",
        (
            Edit(
                "handlers/access/own_passkeys.py",
                "            raise refusals.ONLY_SECOND_FACTOR()\n",
                "            pass\n",
            ),
        ),
        (f"{PASSKEYS}::test_a_passkey_alone_is_a_second_factor",),
    ),
    Mutant(
        "passkey-for-its-purpose",
        "a passkey's challenge is good for what it was asked for",
        "the answer to a sign-in confirms an act in another browser",
        (Edit(KEYS, 'SIGN_IN, CONFIRM = "use", "confirm"', 'SIGN_IN, CONFIRM = "use", "use"'),),
        (f"{PASSKEYS}::test_a_passkey_confirms_an_act_and_its_answer_is_good_for_that_only",),
    ),
    Mutant(
        "export-confirmed",
        "clients are exported by who confirmed within ten minutes that it is them",
        "a session left open, or its cookie, takes the list of all clients away",
        (
            Edit(
                "web/pages/frame/step_up.py",
                "        require_confirmed(visitor.request, visitor.portal)\n",
                "        pass\n",
            ),
        ),
        ("tests/web/pages/clients/test_list.py::test_clients_are_exported_by_who_confirmed_that_it_is_them",),
    ),
    Mutant(
        "audit-file-confirmed",
        "the audit is exported by who confirmed within ten minutes that it is them",
        "a session left open takes the addresses and acts of everybody away",
        (
            Edit(
                "web/pages/settings/audit.py",
                "    if (asked := asked_first(visitor, query.address(PATH))) is not None:\n        return asked\n",
            ),
        ),
        (f"{STEP_UP}::test_after_ten_minutes_each_act_asks_for_a_code_and_goes_on_with_it",),
    ),
    Mutant(
        "assigning-confirmed",
        "ticked clients are assigned by who confirmed within ten minutes that it is them",
        "a session left open gives a practice's clients to a colleague",
        (
            Edit(
                "web/pages/clients/list.py",
                '        if (asked := asked_first(visitor, PATH, "confirmed-act")) is not None:\n            return asked\n',
            ),
        ),
        (f"{STEP_UP}::test_after_ten_minutes_each_act_asks_for_a_code_and_goes_on_with_it",),
    ),
    Mutant(
        "result-confirmed",
        "with a session, a batch's result is given to who confirmed within ten minutes that it is them",
        "a session left open takes names and addresses of clients away",
        (
            Edit(
                "web/http/identity.py",
                "    if found.via_key is None:\n        require_confirmed(request, portal)\n    return found\n\n\nConfirmedReader",
                "    return found\n\n\nConfirmedReader",
            ),
        ),
        (f"{STEP_UP}::test_after_ten_minutes_each_act_asks_for_a_code_and_goes_on_with_it",),
    ),
    Mutant(
        "change-told",
        "who signs in is told by email when that changes",
        "a stolen session adds a passkey, and its owner never hears of it",
        (
            Edit(
                "handlers/access/sign_in_log.py",
                "        security_notice.request(tx, event, login_id, who.practice_id, origin=origin)\n",
                "        pass\n",
            ),
        ),
        (f"{NOTICES}::test_a_change_is_told_with_when_and_where_and_what_to_do",),
    ),
    Mutant(
        "notice-intent",
        "the intent to send such an email is committed first, and one that is found is never sent again",
        "invariant 3: a worker that died costs a second email",
        (
            Edit(
                NOTICE, "    if letter is None or letter.notice.state is EmailState.SENDING:", "    if letter is None:"
            ),
            Edit(NOTICE, "letter.notice.state is not EmailState.PENDING or ", ""),
            Edit(
                "portal_db/access/account_emails.py",
                "    is_pending = table.state == EmailState.PENDING\n",
                "    is_pending = table.id == email_id\n",
            ),
        ),
        (f"{NOTICES}::test_an_intent_of_a_worker_that_died_is_not_sent_a_second_time",),
    ),
    Mutant(
        "key-end-told-once",
        "of a key that ends soon its people are told once",
        "an email each night for two weeks",
        (
            Edit(
                "portal_db/access/security_notices.py",
                " <= db_now(within_seconds), ~is_told)",
                " <= db_now(within_seconds))",
            ),
            Edit(
                "portal_db/migrations/versions/0042_security_notices.py",
                '        sa.UniqueConstraint("api_key_id", "login_id", name=op.f("uq_security_notices_api_key_id_login_id")),\n',
            ),
        ),
        (f"{NOTICES}::test_who_made_a_key_is_told_once_that_it_ends",),
    ),
)
