"""Guards of operators' single sign-on: whose word counts, for which sign-in, and how recent it is."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant

PROVIDER = "handlers/access/single_sign_on.py"
OPERATORS = "handlers/access/operators.py"
TOKENS = "tests/handlers/access/test_single_sign_on.py"
CONSOLE = "tests/web/console/test_single_sign_on.py"
OTHERS = f"{TOKENS}::test_what_is_signed_for_somebody_else_or_has_expired_signs_nobody_in"
CONFIRMING = f"{CONSOLE}::test_confirming_there_counts_as_a_code_for_a_while"

MUTANTS = (
    Mutant(
        "sign-on-own-browser",
        "a sign-in at the provider is ended by the browser that began it",
        "a link signs an operator's browser in as somebody else",
        (
            Edit(
                PROVIDER,
                "if begun is None or not secrets.compare_digest(begun.state.encode(), state.encode()):",
                "if begun is None:",
            ),
        ),
        (f"{CONSOLE}::test_only_the_browser_that_began_a_sign_in_ends_it_and_once",),
    ),
    Mutant(
        "sign-on-purpose",
        "what a browser keeps of a sign-in was encrypted for that",
        "another encrypted value of ours passes for a sign-in",
        (Edit(PROVIDER, "return begun if begun.purpose == _PURPOSE else None", "return begun"),),
        (f"{TOKENS}::test_what_the_browser_keeps_lasts_for_ten_minutes_and_is_of_this_purpose",),
    ),
    Mutant(
        "sign-on-nonce",
        "an ID token counts for the sign-in that asked for it",
        "a token of an earlier sign-in is replayed",
        (Edit(PROVIDER, '                "nonce": begun.nonce,\n', ""),),
        (f"{OTHERS}[another nonce]",),
    ),
    Mutant(
        "sign-on-audience",
        "an ID token counts if it was issued for the console",
        "any app of the organisation can sign in as an operator",
        (
            Edit(
                PROVIDER,
                '                "aud": {"essential": True, "value": self._settings.ops_oidc_client_id},\n',
                "",
            ),
            Edit(PROVIDER, '                "client_id": self._settings.ops_oidc_client_id,\n', ""),
        ),
        (f"{OTHERS}[another app's]",),
    ),
    Mutant(
        "sign-on-issuer",
        "an ID token counts if the configured provider issued it",
        "a token of another provider that shares its keys signs in",
        (Edit(PROVIDER, '                "iss": {"essential": True, "values": [self.metadata()["issuer"]]},\n', ""),),
        (f"{OTHERS}[another issuer]",),
    ),
    Mutant(
        "sign-on-algorithms",
        "an ID token is signed by a key of the provider's",
        "a token that nobody signed signs in",
        (Edit(PROVIDER, "token = self._decoded(id_token)", "token = jwt.decode(id_token, lambda _: None, ['none'])"),),
        (f"{TOKENS}::test_only_the_providers_own_key_counts",),
    ),
    Mutant(
        "sign-on-vouched-email",
        "an email counts if the provider vouches for it",
        "whoever types an operator's address into their profile is that operator",
        (
            Edit(
                PROVIDER,
                ' or not any(claims.get(name) in (True, 1, "true", "1") for name in VOUCHES)',
                "",
            ),
        ),
        (
            f"{CONSOLE}::test_an_email_that_the_provider_does_not_vouch_for_signs_nobody_in[not verified]",
            f"{TOKENS}::test_an_address_counts_if_the_provider_vouches_for_it[not said]",
        ),
    ),
    Mutant(
        "sign-on-metadata-safe",
        "a provider's addresses are https",
        "secrets and codes travel in the clear",
        (Edit(PROVIDER, "if not _is_safe(found.get(name)):", "if not found.get(name):"),),
        (f"{TOKENS}::test_a_provider_that_says_something_unsafe_of_itself_is_not_used[in the clear]",),
    ),
    Mutant(
        "sign-on-errors-own-words",
        "of a provider's errors only the standard's codes are repeated",
        "an address that somebody sends shows their text on our page",
        (
            Edit(
                PROVIDER,
                "return code if isinstance(code, str) and _WORD.fullmatch(code) else",
                "return str(code) if code else",
            ),
        ),
        (f"{CONSOLE}::test_who_turns_back_at_the_provider_reads_why",),
    ),
    Mutant(
        "sign-on-confirmed-now",
        "a confirmation counts if the provider asked just now",
        "an unlocked screen is enough for acts that need a code",
        (Edit(OPERATORS, " or _age(tx, identity) > single_sign_on.SECONDS:", ":"),),
        (CONFIRMING,),
    ),
    Mutant(
        "sign-on-same-person",
        "a confirmation counts from the operator who is signed in",
        "a colleague confirms an act that the audit names somebody else for",
        (Edit(OPERATORS, " or found.operator.id != caller.operator_id", ""),),
        (CONFIRMING,),
    ),
    Mutant(
        "sign-on-own-account",
        "an operator's account at the provider stays theirs",
        "who gets a leaver's address is an operator",
        (
            Edit(
                "portal_db/access/operators.py",
                "    has_none = Operator.account_hash.is_(None)\n",
                "    has_none = Operator.id.is_not(None)\n",
            ),
        ),
        (f"{CONSOLE}::test_an_operators_account_there_is_theirs_whatever_becomes_of_the_address",),
    ),
    Mutant(
        "sign-on-not-fresh",
        "a sign-in that the provider remembered is no recent code",
        "an unlocked screen is enough for acts that need a code",
        (Edit(OPERATORS, "confirmed_ago=_age(tx, identity), by=", "by="),),
        (f"{CONSOLE}::test_an_act_that_needs_a_code_offers_to_confirm_there",),
    ),
)
