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

EXPOSURE = "config/exposure.py"
TEST_EXPOSURE = "tests/test_exposure.py"
REFUSED = f"{TEST_EXPOSURE}::test_what_would_be_exposed_is_refused_with_the_way_out"

SETTINGS = (
    Mutant(
        "exposed-redis",
        "a Redis on another machine needs TLS and a password",
        "names and addresses of clients can be read on the way, and requests put in",
        (Edit(EXPOSURE, "    if lacks:", "    if False:"),),
        (f"{REFUSED}[Redis without both]", f"{REFUSED}[Redis without TLS]", f"{REFUSED}[Redis without a password]"),
    ),
    Mutant(
        "exposed-tokens",
        "Xero and XPM are reached by https",
        "a firm's tokens can be read on the way",
        (Edit(EXPOSURE, 'if parts.scheme != "https" and not is_loopback(parts.hostname):', "if False:"),),
        (f"{REFUSED}[XPM unencrypted]", f"{REFUSED}[tokens unencrypted]"),
    ),
    Mutant(
        "exposed-mail-password",
        "the password of the mail server is sent encrypted",
        "whoever reads it sends emails as the portal",
        (Edit(EXPOSURE, "if parts.username and not is_encrypted and", "if False and"),),
        (f"{REFUSED}[a mail password unencrypted]",),
    ),
    Mutant(
        "exposed-web",
        "a portal that other machines reach has an https address",
        "cookies travel unencrypted, and webhooks may reach this machine",
        (Edit(EXPOSURE, "if not is_loopback(settings.web_host) and (", "if False and ("),),
        (f"{REFUSED}[links to this machine]", f"{REFUSED}[links without https]"),
    ),
    Mutant(
        "exposed-unsigned",
        "unsigned requests are accepted on loopback only",
        "a setting for development opens the queue door of an installation",
        (Edit(EXPOSURE, "if settings.unsigned_requests and not (", "if False and not ("),),
        (f"{REFUSED}[unsigned requests]", f"{REFUSED}[unsigned requests over a shared Redis]"),
    ),
    Mutant(
        "exposed-files",
        "a SQLite database that others can read is refused",
        "every user of the machine reads the clients of all firms",
        (Edit(EXPOSURE, "st_mode) & 0o077", "st_mode) & 0"),),
        (f"{TEST_EXPOSURE}::test_a_sqlite_database_that_others_can_read_is_refused",),
    ),
    Mutant(
        "private-files",
        "a SQLite file and its folder are made for their owner alone",
        "every user of the machine reads the clients of all firms",
        (
            Edit(
                "portal_db/database.py",
                "        _make_private(Path(parsed.database))\n",
                "        Path(parsed.database).parent.mkdir(exist_ok=True)\n",
            ),
        ),
        (f"{TEST_EXPOSURE}::test_a_sqlite_database_is_made_for_its_owner_alone",),
    ),
    Mutant(
        "exposed-processes",
        "workers, the relay and commands look at what is exposed before they start",
        "the checks are there, and nobody makes them",
        (Edit("worker/cli/database.py", "    require_safe(settings)\n"),),
        (f"{TEST_EXPOSURE}::test_commands_and_processes_do_not_start_with_it",),
    ),
)

MUTANTS = FORGERY + SETTINGS
