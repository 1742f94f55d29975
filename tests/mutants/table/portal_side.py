"""Guards of what clients and staff do in the portal after an import: activating, tasks, and being told of it."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant

ACTIVATIONS = "portal_db/activations.py"
ACTIVATION = "tests/handlers/test_activation.py"

ACTIVATING = (
    Mutant(
        "activation-once",
        "the link of a welcome email is used once, of two at once by one",
        "b.6: whoever finds an old email takes the account over",
        (Edit(ACTIVATIONS, "            WelcomeEmail.token_used_at.is_(None),\n"),),
        (f"{ACTIVATION}::test_a_link_is_taken_once_and_a_login_activated_once[sqlite]",),
    ),
    Mutant(
        "activation-first-time",
        "only a login that is not active gets a password by a link",
        "b.6: an old link sets the password of somebody who has long been active",
        (Edit(ACTIVATIONS, "LoginKind.CLIENT, Login.activated_at.is_(None))", "LoginKind.CLIENT)"),),
        (f"{ACTIVATION}::test_a_link_is_taken_once_and_a_login_activated_once[sqlite]",),
    ),
    Mutant(
        "activation-30-days",
        "a link is taken within its 30 days only",
        "b.6: a link in an old mailbox is good for ever",
        (
            Edit(ACTIVATIONS, "            WelcomeEmail.token_expires_at > db_now(),\n"),
            Edit(
                "handlers/activation.py",
                "return LinkState.LIVE if expires is not None and expires > found.now else LinkState.ENDED",
                "return LinkState.LIVE",
            ),
        ),
        (f"{ACTIVATION}::test_a_link_that_has_ended[age]",),
    ),
)

MUTANTS = (*ACTIVATING,)
