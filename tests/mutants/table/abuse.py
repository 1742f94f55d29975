"""Guards against whoever would forge requests, learn what is not theirs, or use up what others need."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant

DOOR = "worker/queue/door.py"
PRODUCERS = "handlers/access/producers.py"
TEST_SIGNED = "tests/worker/queue/test_signed.py"

FORGERY = (
    Mutant(
        "door-signed",
        "a request by queue message must be signed, unless the settings say otherwise",
        "whoever can write to Redis has an invitation to any client sent to any address",
        (Edit(DOOR, "or not services.settings.unsigned_requests:", "or False:"),),
        (f"{TEST_SIGNED}::test_an_unsigned_request_is_refused",),
    ),
    Mutant(
        "door-signature-checked",
        "a signature is compared with the one that the producer's secret makes",
        "any 64 digits count as a signature",
        (
            Edit(
                PRODUCERS,
                "    if not any(hmac.compare_digest(",
                "    if expected and not any(True or hmac.compare_digest(",
            ),
        ),
        (f"{TEST_SIGNED}::test_another_producers_secret_signs_nothing_here",),
    ),
    Mutant(
        "door-own-practices",
        "a producer requests imports for its own practices only",
        "one firm's program opens accounts at another firm",
        (Edit(PRODUCERS, "    if not serves:", "    if False:"),),
        (f"{TEST_SIGNED}::test_a_producer_requests_for_its_own_practices_only",),
    ),
    Mutant(
        "producer-overlap-ends",
        "a replaced secret of a producer is accepted for a day",
        "a secret that was replaced because it leaked is good for ever",
        (
            Edit(
                "portal_db/access/producers.py",
                "case((Producer.old_secret_until > db_now(), Producer.old_secret))",
                "Producer.old_secret",
            ),
        ),
        (f"{TEST_SIGNED}::test_a_replaced_secret_is_accepted_for_a_day",),
    ),
    Mutant(
        "greeting-fits",
        "an email greets nobody by a web address or a sentence",
        "XPM's or a producer's text stands in an email from our sender",
        (
            Edit(
                "handlers/email/greeting.py",
                'return f"Hello {name}" if fits(name) else "Hello"',
                'return f"Hello {name}"',
            ),
        ),
        ("tests/handlers/email/test_compose.py::test_a_name_from_xpm_that_is_no_greeting_is_left_out",),
    ),
    Mutant(
        "greeting-given",
        "a person's name in a request is short and has no web address",
        "a name that nobody would have is taken, shown and greeted",
        (
            Edit(
                "handlers/imports/request.py",
                "self.name is not None and not greeting.fits(self.name)",
                "self.name is not None and False",
            ),
        ),
        ("tests/handlers/imports/test_request.py::test_a_person_s_name_is_no_message_of_somebody_else_s",),
    ),
)

MUTANTS = FORGERY
