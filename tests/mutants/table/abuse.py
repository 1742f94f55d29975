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
        "overlap-once",
        "a secret that is replaced again within its overlap leaves the one before in use",
        "whoever lost a new secret and makes another one stops what is signed with the one in use",
        (Edit("portal_db/overlap.py", "case((overlaps, table.old_secret), else_=table.secret)", "table.secret"),),
        (
            f"{TEST_SIGNED}::test_a_new_secret_that_was_lost_is_replaced_and_the_one_in_use_is_still_accepted",
            "tests/handlers/webhooks/test_webhooks.py::"
            "test_a_new_secret_that_was_lost_is_replaced_and_the_one_in_use_still_signs[sqlite]",
        ),
    ),
    Mutant(
        "overlap-ends-as-promised",
        "a second replacement does not prolong the overlap",
        "a secret that was replaced because it leaked is good for as long as its successors are replaced",
        (
            Edit(
                "portal_db/overlap.py",
                "case((overlaps, table.old_secret_until), else_=db_now(overlap_seconds))",
                "db_now(overlap_seconds)",
            ),
        ),
        (
            f"{TEST_SIGNED}::test_a_new_secret_that_was_lost_is_replaced_and_the_one_in_use_is_still_accepted",
            "tests/handlers/webhooks/test_webhooks.py::"
            "test_a_new_secret_that_was_lost_is_replaced_and_the_one_in_use_still_signs[sqlite]",
        ),
    ),
    Mutant(
        "greeting-fits",
        "an email greets nobody by a web address or a sentence",
        "XPM's or a producer's text stands in an email from our sender",
        (
            Edit(
                "handlers/email/greeting.py",
                'return f"Hello {name}" if fits(name) and not _TURNING & set(name) else "Hello"',
                'return f"Hello {name}"',
            ),
        ),
        ("tests/handlers/email/test_compose.py::test_a_name_from_xpm_that_is_no_greeting_is_left_out[an address]",),
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
        ("tests/handlers/imports/test_request.py::test_a_person_s_name_is_no_message_of_somebody_else_s[domain]",),
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
        "exposed-redis-to-anybody",
        "the certificate of a Redis on another machine is checked",
        "whoever is between the two takes Redis's place, with TLS",
        (Edit(EXPOSURE, "    return not is_any_taken and not is_any_host\n", "    return True\n"),),
        (f"{REFUSED}[a Redis that anybody may stand for]", f"{REFUSED}[a Redis with another's certificate]"),
    ),
    Mutant(
        "exposed-console",
        "a console that other machines reach has an https address",
        "operators' cookies travel unencrypted",
        (
            Edit(
                EXPOSURE,
                'yield from _served("OPS_HOST", settings.ops_host',
                'yield from _served("OPS_HOST", "127.0.0.1"',
            ),
        ),
        (
            f"{REFUSED}[a console for others with links to this machine]",
            f"{REFUSED}[a console for others without https]",
        ),
    ),
    Mutant(
        "exposed-sign-on",
        "operators' single sign-on is asked over https",
        "whoever is between signs in as any operator",
        (Edit(EXPOSURE, 'if issuer.scheme == "http" and not', "if False and not"),),
        (f"{REFUSED}[single sign-on without https]",),
    ),
    Mutant(
        "private-folder",
        "the folder of a local system is made for its owner alone, and one of an earlier release closed to others",
        "every user of the machine reads its keys, its emails and its clients",
        (
            Edit("worker/local/running.py", "mkdir(mode=0o700, parents", "mkdir(mode=0o755, parents"),
            Edit("worker/local/running.py", "            plan.folder.chmod(0o700)\n", "            pass\n"),
        ),
        (
            "tests/worker/local/test_folder.py::test_a_folder_is_made_for_its_owner_alone",
            "tests/worker/local/test_folder.py::test_one_of_an_earlier_release_is_closed_to_others",
        ),
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
        (Edit(EXPOSURE, 'return _served("WEB_HOST", settings.web_host', 'return _served("WEB_HOST", "127.0.0.1"'),),
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
        tuple(
            f"{TEST_EXPOSURE}::test_a_sqlite_database_that_others_can_read_is_refused[{which}]"
            for which in ("folder", "file")
        ),
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

TAKEN = "handlers/access/taken_addresses.py"
TRIED = (
    "tests/handlers/imports/test_preflight.py"
    "::test_addresses_tried_out_by_imports_are_counted_until_nothing_answers_for_a_day[sqlite]"
)
XPM_KNOWS = (
    "tests/handlers/imports/test_preflight.py::test_of_addresses_that_only_xpm_knows_those_of_other_firms_count[sqlite]"
)

PROBING = (
    Mutant(
        "amend-no-oracle",
        "an amendment is answered at once about the practice's own logins only",
        "whoever amends a rejected import again and again learns whose clients are in the portal",
        (Edit("handlers/imports/amend.py", "    if act.viewer is None:\n", "    if True:\n"),),
        (TRIED,),
    ),
    Mutant(
        "taken-budget-of-imports",
        "imports wait when a practice has learned in a day of too many addresses that they are taken",
        "an import for each address tells whose clients are in the portal",
        (
            Edit(
                TAKEN, "    if today.used >= BUDGET:\n        raise Deferred(", "    if False:\n        raise Deferred("
            ),
        ),
        (TRIED,),
    ),
    Mutant(
        "taken-budget-of-requests",
        "an address that is given to a login at once is within the same budget",
        "corrections of email addresses tell whose clients are in the portal",
        (Edit(TAKEN, "    if today.used >= BUDGET:\n        raise refusals", "    if False:\n        raise refusals"),),
        (TRIED,),
    ),
    Mutant(
        "taken-counted",
        "addresses that are taken elsewhere are counted, in sets and alone",
        "the budget is never used up",
        (Edit(TAKEN, "    if elsewhere:", "    if False:"),),
        (TRIED,),
    ),
    Mutant(
        "taken-elsewhere-only",
        "of an import that runs alone, an address counts if a login of another practice has it",
        "couples who share an address, of whom a practice has hundreds, stop its imports for a day",
        (
            Edit(
                "handlers/imports/validate.py",
                "        taken_addresses.count(tx, job.practice_id, [failure.email_key])\n",
                '        taken_addresses.count(tx, job.practice_id, [""])\n',
            ),
        ),
        (XPM_KNOWS,),
    ),
    Mutant(
        "taken-by-logins-only",
        "an address that another row of the batch wants does not count as taken by a login",
        "couples who share an address, of whom a practice has hundreds, stop its imports for a day",
        (
            Edit(
                "handlers/imports/validate.py",
                "            raise refusals.EMAIL_TAKEN()\n",
                "            raise refusals.EMAIL_TAKEN().of_login(email_key)\n",
            ),
        ),
        (XPM_KNOWS,),
    ),
    Mutant(
        "taken-counted-alone",
        "an address that only XPM knows counts for an import that runs alone",
        "records in XPM, with an address each, tell whose clients are in the portal",
        (
            Edit(
                "handlers/imports/validate.py",
                "    if failure.email_key is not None:\n",
                "    if False:\n",
            ),
        ),
        (XPM_KNOWS, TRIED),
    ),
)

BODIES = (
    Mutant(
        "one-gzip",
        "an answer of XPM's is unpacked once at most, and in pieces",
        "2.6 kB that were compressed twice took 3 GB",
        (Edit("xpm/wire/inflate.py", 'elif applied in (["gzip"], ["x-gzip"]):', "elif True:"),),
        (
            "tests/xpm/client/test_bounds.py::test_an_answer_that_is_compressed_twice_or_otherwise_is_not_unpacked[deflate]",
        ),
    ),
    Mutant(
        "gzip-pieces",
        "an answer of XPM's is unpacked in pieces that are counted",
        "100 kB make 100 MB in memory before the bound is looked at",
        (Edit("xpm/wire/inflate.py", "gzip.decompress(packed, PIECE_BYTES)", "gzip.decompress(packed)"),),
        ("tests/xpm/client/test_bounds.py::test_an_answer_is_unpacked_in_pieces_that_are_counted",),
    ),
    Mutant(
        "rows-stop-at-errors",
        "no more bad rows are read than are reported",
        "4.8 MB of bad lines stopped the process for seconds and took 1.6 GB",
        (Edit("web/http/bodies.py", "        if len(errors) >= MOST_ERRORS:\n", "        if False:\n"),),
        ("tests/web/api/test_batches.py::test_of_many_bad_rows_no_more_are_read_than_are_reported[text/csv]",),
    ),
    Mutant(
        "rows-in-a-thread",
        "the rows of a batch are read in a thread of their own",
        "everybody waits while one batch is read",
        (
            Edit(
                "web/http/bodies.py", "return await run_in_threadpool(rows_of_file, body)", "return rows_of_file(body)"
            ),
        ),
        ("tests/web/api/test_batches.py::test_of_many_bad_rows_no_more_are_read_than_are_reported[text/csv]",),
    ),
    Mutant(
        "forms-in-a-thread",
        "a large form is read in a thread of its own",
        "everybody waits while the escapes of megabytes are undone",
        (Edit("web/pages/frame/forms.py", "if is_large else _read(request)", "if False else _read(request)"),),
        ("tests/web/pages/imports/test_batch.py::test_a_large_form_is_read_in_a_thread_of_its_own",),
    ),
    Mutant(
        "lines-bounded",
        "a file is read to a bound of lines",
        "millions of empty lines are read to their end",
        (Edit("handlers/imports/batch_rows.py", "        if number >= MAX_LINES:", "        if False:"),),
        ("tests/handlers/imports/test_batch_file.py::test_a_file_is_read_no_further_than_its_lines_may_go[rows]",),
    ),
    Mutant(
        "door-keeps-a-beginning",
        "of a message that cannot be used the beginning is kept",
        "8 MB on the queue became a row of 10.7 MB",
        (Edit(DOOR, "encrypt(payload[:KEPT_BYTES])", "encrypt(payload)"),),
        ("tests/worker/queue/test_door.py::test_of_a_message_that_is_too_large_the_beginning_is_kept",),
    ),
    Mutant(
        "door-keeps-so-many",
        "so many malformed messages are kept in a day",
        "whoever can write to Redis fills the database",
        (Edit(DOOR, "if malformed_messages.has_room_today(tx, KEPT_PER_DAY):", "if True:"),),
        ("tests/worker/queue/test_door.py::test_so_many_malformed_messages_are_kept_in_a_day",),
    ),
)

STREAM_TESTS = "tests/web/api/test_imports.py"
HALF_SENT = "tests/web/http/test_patience.py::test_a_request_that_is_half_sent_is_not_waited_for"

CONNECTIONS = (
    Mutant(
        "streams-reserved",
        "a stream's place is taken before anything is done for it",
        "of 40 that were opened at once 17 passed a limit of 6",
        (Edit("web/streams.py", "        self._open[staff_id] += 1\n"),),
        (f"{STREAM_TESTS}::test_of_streams_that_are_asked_for_at_once_no_more_open_than_may",),
    ),
    Mutant(
        "streams-of-a-practice",
        "a practice has so many streams open in a process",
        "one API key, for 34 of its staff, has all 200 of a process",
        (Edit("web/streams.py", "            or self._open_of_practice[practice_id] >= self._per_practice\n"),),
        (f"{STREAM_TESTS}::test_one_practice_leaves_streams_to_the_others",),
    ),
    Mutant(
        "streams-of-a-practice-end",
        "a stream that has ended counts no more for its practice",
        "after sixty streams a practice has no more until the process is restarted",
        (Edit("web/streams.py", "            self._open_of_practice -= Counter([practice_id])\n"),),
        (f"{STREAM_TESTS}::test_one_practice_leaves_streams_to_the_others",),
    ),
    Mutant(
        "streams-by-practice",
        "each practice's streams count apart",
        "one practice uses up what all may have together",
        (Edit("web/http/events.py", "(who.staff_id, who.practice_id)", "(who.staff_id, None)"),),
        (f"{STREAM_TESTS}::test_one_practice_leaves_streams_to_the_others",),
    ),
    Mutant(
        "stream-ends-with-session",
        "a stream looks at each turn whether its session or key still lasts",
        "who was signed out, or has left, follows on for ten minutes",
        (Edit("web/http/events.py", "return look() if may_go_on() else None", "return look()"),),
        tuple(
            f"{STREAM_TESTS}::test_a_stream_ends_with_what_it_was_opened_by[{ending}]"
            for ending in ("signed out", "a key revoked", "another role", "left")
        ),
    ),
    Mutant(
        "headers-in-time",
        "a connection is closed when a request's headers do not arrive in time",
        "half-sent requests use up the process's connections",
        (
            Edit(
                "web/http/patience.py",
                "self._expect_within(HEADER_SECONDS)\n\n    def connection_lost",
                "pass\n\n    def connection_lost",
            ),
        ),
        (f"{HALF_SENT}[nothing]",),
    ),
    Mutant(
        "second-headers-in-time",
        "so it is with each further request of a connection",
        "half-sent requests use up the process's connections",
        (
            Edit(
                "web/http/patience.py",
                "self._expect_within(HEADER_SECONDS)\n        super().on_message_begin()",
                "super().on_message_begin()",
            ),
        ),
        (f"{HALF_SENT}[half of a second request]",),
    ),
    Mutant(
        "body-in-time",
        "a connection is closed when a request's body does not arrive in time",
        "half-sent requests use up the process's connections",
        (Edit("web/http/patience.py", "self._expect_within(BODY_SECONDS)", "self._expect_nothing()"),),
        (f"{HALF_SENT}[half of a body]", f"{HALF_SENT}[a chunk]"),
    ),
    Mutant(
        "connections-limited",
        "a process has only so many connections; requests on others are answered with 503",
        "whoever opens connections uses up the files and the memory of the process",
        (Edit("web/process.py", "        limit_concurrency=MOST_CONNECTIONS,\n"),),
        ("tests/web/http/test_patience.py::test_when_there_are_as_many_connections_as_may_be_others_are_refused",),
    ),
)

KEY_TESTS = "tests/web/api/test_api_keys.py"

KEYS = (
    Mutant(
        "audit-via-key",
        "what a program does is audited with its key",
        "an act of a program is taken for one of the person it acts for",
        (
            Edit(
                "web/http/identity.py",
                "audit.VIA_KEY.set(found.via_key.id if",
                "audit.VIA_KEY.set(None if True else found.via_key.id if",
            ),
        ),
        (f"{KEY_TESTS}::test_what_a_program_does_is_audited_with_its_key[sqlite]",),
    ),
    Mutant(
        "key-lifetime",
        "a key that is made to end does",
        "keys are good for ever, wherever they went",
        (
            Edit(
                "portal_db/access/credentials.py", "ends = None if seconds is None else db_now(seconds)", "ends = None"
            ),
        ),
        (f"{KEY_TESTS}::test_a_key_shows_who_made_it_and_when_it_was_used_and_ends_when_it_is_to[sqlite]",),
    ),
)

USAGE = "tests/web/http/test_usage.py"
BATCH_READ_FIRST = "    def take(portal: ThePortal, who: Importer, rows: BatchRows) -> None:"
OFTEN = f"{USAGE}::test_a_person_and_a_practice_may_do_it_so_often"
TASKS = f"{USAGE}::test_one_client_gets_so_many_tasks_whoever_sends_them"

AUTOMATION = (
    Mutant(
        "use-of-a-person",
        "a person may do what could be automated so often",
        "one program or stolen session uses up what all need",
        (Edit("web/usage.py", '            (of_person, f"{use} of person", str(who.staff_id)),\n'),),
        (f"{OFTEN}[search]", f"{OFTEN}[API key]"),
    ),
    Mutant(
        "use-of-a-practice",
        "a practice may do what could be automated so often",
        "many keys of one practice use up what all need",
        (Edit("web/usage.py", '            (of_practice, f"{use} of practice", str(who.practice_id)),\n'),),
        (f"{OFTEN}[pre-flight]", f"{OFTEN}[export]"),
    ),
    Mutant(
        "batch-counted-first",
        "a use is counted before the file of a batch is read",
        "who has used up their limit has every file read all the same",
        (
            Edit("web/api/batches.py", "    def take(portal: ThePortal, who: Importer) -> None:", BATCH_READ_FIRST),
            Edit(
                "web/pages/add_clients/new_batch.py",
                '    """Check the rows of a CSV or Excel file."""\n    _count(posted, Use.PREFLIGHT)\n',
                '    """Check the rows of a CSV or Excel file."""\n',
            ),
        ),
        (
            f"{USAGE}::test_who_has_sent_too_many_files_has_none_read[check]",
            f"{USAGE}::test_who_has_sent_too_many_files_has_none_read[request]",
            f"{USAGE}::test_nor_has_who_uploads_them_at_the_page",
        ),
    ),
    Mutant(
        "lists-are-searches",
        "a list that is asked for with words counts as a search",
        "a program that was refused at the search goes on at the list, which searches as long",
        (Edit("web/usage.py", "        if text and text.strip():\n", "        if False:\n"),),
        tuple(
            f"{USAGE}::test_a_list_counts_as_a_search_where_words_are_given[{path}]"
            for path in ("/api/v1/clients", "/api/v1/review-items", "/clients", "/review")
        ),
    ),
    Mutant(
        "emails-to-a-client",
        "one client gets so many welcome emails in a day",
        "12 of 12 presses of the button sent an email",
        (Edit("web/usage.py", "        if to is not None:", "        if False:"),),
        (f"{USAGE}::test_one_client_gets_so_many_emails_whoever_presses_the_button",),
    ),
    Mutant(
        "sunset-everywhere",
        "every answer to a key that ends soon says so",
        "a program that only follows streams and loads files stops without a warning",
        (Edit("web/http/sunset.py", 'MutableHeaders(scope=message)["sunset"] = sunset', "pass"),),
        ("tests/web/api/test_api_keys.py::test_every_answer_to_a_key_that_ends_soon_says_so",),
    ),
    Mutant(
        "xero-away-when",
        "an answer that Xero is away says when to try again",
        "a program asks again at once, for as long as Xero is away",
        (
            Edit(
                "handlers/refusals/__init__.py",
                'Refusal(RefusedForNow, "xero_unavailable"',
                'Refusal(RequestRefused, "xero_unavailable"',
            ),
        ),
        ("tests/web/api/test_integration.py::test_with_xero_away_the_answer_says_when_to_try_again",),
    ),
    Mutant(
        "emails-of-retries",
        "a retry uses up nothing of a client's emails",
        "a program that repeats one request is refused on the sixth, and the client gets no email that day",
        tuple(
            Edit(file, f"if not {module}.is_repeated(", f"if True or {module}.is_repeated(")
            for file, module in (
                ("web/api/clients.py", "welcome_email"),
                ("web/pages/clients/list.py", "welcome_email"),
                ("web/pages/clients/invite.py", "welcome_email"),
                ("web/pages/clients/invite.py", "co_owners"),
            )
        ),
        (
            f"{USAGE}::test_a_retry_is_no_further_email_to_a_client",
            f"{USAGE}::test_what_strangers_ask_for_uses_up_nothing_of_a_client",
            "tests/web/pages/clients/test_co_owners.py::"
            "test_one_co_owner_gets_so_many_emails_and_their_client_their_own",
        ),
    ),
    Mutant(
        "tasks-of-strangers",
        "what strangers ask for uses up nothing of a client's tasks",
        "anybody with a session of any firm keeps a client from getting tasks for a day",
        (
            Edit(
                "handlers/clients/tasks.py",
                "        require_current_client(tx, caller, client_id)\n        known",
                "        known",
            ),
        ),
        (f"{USAGE}::test_what_strangers_ask_for_uses_up_nothing_of_a_client",),
    ),
    Mutant(
        "tasks-of-a-program",
        "a program sends so many tasks",
        "100 requests were 100 emails to one person in a second",
        (Edit("web/api/tasks.py", "        portal.uses.take(Use.TASK, who, to=client_id)\n", "        pass\n"),),
        (f"{OFTEN}[task]", TASKS),
    ),
    Mutant(
        "tasks-of-the-page",
        "the page sends so many tasks",
        "whoever has a session fills a mailbox in our name",
        (
            Edit(
                "web/pages/clients/tasks.py",
                "            visitor.portal.uses.take(Use.TASK, visitor.caller, to=client_id)\n",
                "            pass\n",
            ),
        ),
        (TASKS,),
    ),
    Mutant(
        "tasks-to-a-client",
        "one client gets so many tasks in a day",
        "a day's 7,200 tasks of one person are emails to one client",
        (Edit("web/api/tasks.py", "Use.TASK, who, to=client_id", "Use.TASK, who"),),
        (TASKS,),
    ),
    Mutant(
        "tasks-repeated",
        "a task that is asked for again under the same key uses up nothing",
        "whoever got no answer to their last request is told that it was not done",
        (Edit("handlers/clients/tasks.py", "known is not None and known.fingerprint == ", "False and key == "),),
        (TASKS,),
    ),
    Mutant(
        "counts-rest",
        "a Redis that gave no answer is not asked again for a while",
        "sign-ins, which wait in line, take two seconds each while it is silent",
        (
            Edit(
                "web/counting.py",
                "                self._rests_until = self._sources.monotonic() + REST_SECONDS\n",
            ),
        ),
        (f"{USAGE}::test_a_redis_that_does_not_answer_is_asked_once_in_a_while",),
    ),
    Mutant(
        "counts-rest-ends",
        "a Redis that has rested is asked again",
        "after an outage each process counts its own until it is restarted",
        (Edit("web/counting.py", "            if now < self._rests_until:\n", "            if True:\n"),),
        (
            f"{USAGE}::test_a_redis_that_does_not_answer_is_asked_once_in_a_while",
            "tests/worker/queue/test_failover.py::test_tries_to_sign_in_are_counted_together_again",
        ),
    ),
    Mutant(
        "counts-trusted-again",
        "a Redis that answers again is asked each time",
        "after an outage each process counts nearly all on its own, for good",
        (Edit("web/counting.py", "                self._rests_until = None\n"),),
        ("tests/worker/queue/test_failover.py::test_tries_to_sign_in_are_counted_together_again",),
    ),
    Mutant(
        "counts-asked-by-one",
        "one thread asks a Redis that has rested, and no other",
        "every few seconds all threads wait for a silent Redis together",
        (Edit("web/counting.py", "            self._rests_until = now + REST_SECONDS\n"),),
        (f"{USAGE}::test_while_one_thread_asks_redis_again_no_other_waits_for_it",),
    ),
)

FUZZ = "tests/web/api/test_fuzz.py"

INPUTS = (
    Mutant(
        "texts-without-controls",
        "no text that is sent has NUL or other control characters",
        "a NUL in a sign-in email was a 500 on PostgreSQL, without an account",
        (Edit("handlers/fields.py", "    if has_control_characters(text):", "    if False:"),),
        (f"{FUZZ}::test_no_text_that_postgresql_cannot_store_reaches_it[NUL-postgresql]",),
    ),
    Mutant(
        "forms-without-controls",
        "nor has a field of a form",
        "a NUL in a form is a 500 on PostgreSQL",
        (Edit("web/pages/frame/forms.py", "    if has_control_characters(value, lines=True):", "    if False:"),),
        (f"{FUZZ}::test_no_text_that_postgresql_cannot_store_reaches_it[NUL-postgresql]",),
    ),
    Mutant(
        "times-in-range",
        "a time is within what calendars and databases hold",
        "a time near year 1 or 9999 cannot be converted to UTC: a 500",
        (Edit("handlers/fields.py", "    if not EARLIEST <= at <= LATEST:", "    if False:"),),
        (f"{FUZZ}::test_a_time_beyond_all_calendars_is_refused_where_it_is_read[0001-01-01T00:00:00+14:00]",),
    ),
    Mutant(
        "cursors-in-range",
        "so is the time in a cursor",
        "a made-up cursor is a 500",
        (Edit("portal_db/paging.py", " or not EARLIEST <= found.at <= LATEST:", ":"),),
        (f"{FUZZ}::test_a_time_beyond_all_calendars_is_refused_where_it_is_read[9999-12-31T23:59:59-14:00]",),
    ),
)

MUTANTS = FORGERY + SETTINGS + PROBING + BODIES + CONNECTIONS + KEYS + AUTOMATION + INPUTS
