"""Guards of delivery: what is rung, runner, relay, broker, consumer, queue door and logs (worker, config)."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant

RUNNER = "worker/runner/runner.py"
RING = "portal_db/work/ringing.py"
CANDIDATES = "portal_db/work/candidates.py"
RELAY = "worker/leader/relay.py"
BELL = "worker/queue/bell.py"
DOOR = "worker/queue/door.py"
CONSUMER = "worker/queue/consumer.py"
BROKER = "worker/queue/broker.py"
PROCESS = "worker/process.py"
REHEARSAL = "worker/rehearsal.py"
DISPATCH = "worker/queue/dispatch.py"
ALONE = "worker/runner/isolation.py"
LOGGING = "config/logging.py"
TEST_DOOR = "tests/worker/queue/test_door.py"
TEST_CONSUMER = "tests/worker/queue/test_consumer.py"
TEST_BROKER = "tests/worker/queue/test_broker.py"
OUTAGES = "tests/worker/leader/test_relay_outages.py"
COMMITS = "tests/worker/runner/test_commits.py"
TEST_REHEARSAL = "tests/worker/test_rehearsal.py"
TEST_ALONE = "tests/worker/runner/test_isolation.py"
FLOW = "tests/worker/runner/test_flow.py"
LOST_LEASES = "tests/worker/runner/test_lost_leases.py"
LOGS = "tests/test_logging.py"

RUNNING = (
    Mutant(
        "follow-ups-first",
        "what follows a set is done before the next set begins",
        "the first imports of a batch are through as late as the last",
        (
            Edit(
                RUNNER,
                "_waiting(following.next_jobs, following.fetched) + others",
                "others + _waiting(following.next_jobs, following.fetched)",
            ),
        ),
        ("tests/worker/runner/test_sets.py::test_what_follows_a_set_is_done_before_the_next_begins[sqlite]",),
    ),
    Mutant(
        "commit-read-back",
        "a COMMIT without an answer is read back by the lease token",
        "an unknown outcome is treated as a lost lease, and committed work as a failure",
        (
            Edit(
                RUNNER,
                "attempt.retry_state.attempt_number == 1 or not self._was_recorded(tasks):",
                "attempt is not None:",
            ),
        ),
        (f"{COMMITS}::test_a_commit_whose_answer_was_lost_is_not_repeated[sqlite]",),
    ),
    Mutant(
        "commit-own",
        "only what a worker records of its jobs tells it that its COMMIT happened",
        "a set that failed counts as done, because one of its jobs was cancelled; the others wait for their leases to end",
        (
            Edit(
                "portal_db/work/jobs.py",
                "JobAttempt.token.in_(tokens), JobAttempt.outcome.in_(ended))",
                "JobAttempt.token.in_(tokens))",
            ),
        ),
        (
            "tests/portal_db/work/test_leases.py"
            "::test_a_commit_happened_if_what_only_its_worker_records_is_there[park-sqlite]",
        ),
    ),
    Mutant(
        "commit-tries",
        "a transaction that failed because the database was unavailable is retried",
        "a restart of the database uses up attempts",
        (Edit(RUNNER, "stop_all(stop_after_attempt(DATABASE_TRIES), ", "stop_all(stop_after_attempt(1), "),),
        (f"{COMMITS}::test_a_commit_that_failed_is_tried_again[sqlite]",),
    ),
    Mutant(
        "heartbeat",
        "a running job's lease is renewed",
        "P3: a busy worker is mistaken for a dead one",
        (
            Edit(
                RUNNER,
                "with self._leases.held(*(lease_of(job) for each in sets for job in each.jobs)):",
                "with suppress():",
            ),
        ),
        (f"{FLOW}::test_a_jobs_lease_is_renewed_while_it_fetches[sqlite]",),
    ),
    Mutant(
        "one-transaction",
        "the effect and the job's end are one transaction",
        "P21, invariant 5: a job is done and its effect lost",
        (
            Edit(
                RUNNER,
                "        results = handler.apply(tx, tasks)\n",
                "        results = handler.apply(tx, tasks)\n        tx.session.commit()\n",
            ),
        ),
        (f"{COMMITS}::test_a_commit_that_failed_is_tried_again[sqlite]",),
    ),
    Mutant(
        "stopping",
        "nothing more is claimed while stopping",
        "P18: a shutdown takes as long as an import, and ends in SIGKILL",
        (Edit(RUNNER, "if job.lane == parent.lane and not self._stopping.is_set()]", "if job.lane == parent.lane]"),),
        (f"{FLOW}::test_nothing_is_run_on_while_stopping[sqlite]",),
    ),
    Mutant(
        "stopping-rings-again",
        "what a worker that stops does not begin is rung again at once",
        "with each worker that is restarted, jobs wait for ten seconds",
        (Edit(RUNNER, "            self._leave_to_others(job_ids)\n", ""),),
        (f"{FLOW}::test_nothing_is_run_on_while_stopping[sqlite]",),
    ),
    Mutant(
        "stopping-puts-back",
        "a worker that stops puts back what it has not begun",
        "P18: for as long as its last job takes, somebody waits for an import that another worker is free to do",
        (Edit(CONSUMER, "            if self.broker.unstarted is not None:\n", "            if False:\n"),),
        (f"{TEST_CONSUMER}::test_a_worker_that_stops_leaves_to_others_what_it_has_not_begun",),
    ),
    Mutant(
        "stopping-between-sets",
        "follow-ups that were claimed and not begun before a stop go back to the queue",
        "P18: a shutdown takes as long as all sets of follow-ups, and ends in SIGKILL",
        (
            Edit(
                RUNNER,
                "self._stopping.is_set() or now > each.begin_by]",
                "now > each.begin_by]",
            ),
        ),
        (f"{FLOW}::test_what_is_not_begun_before_a_stop_goes_back_to_the_queue_uncounted[sqlite]",),
    ),
    Mutant(
        "begin-in-time",
        "follow-ups that were claimed and cannot begin within half of their deadline go back to the queue",
        "P14: innocent jobs lose their leases, and are suspected of having ended their worker",
        (Edit(RUNNER, "if self._stopping.is_set() or now > each.begin_by]", "if self._stopping.is_set()]"),),
        (f"{FLOW}::test_what_cannot_begin_in_time_goes_back_to_the_queue_uncounted[sqlite]",),
    ),
    Mutant(
        "begin-in-time-all",
        "all sets that wait and cannot begin in time go back at once",
        "P14: while the follow-ups of one set run, the deadlines of the sets beside it end, and with them their leases",
        (
            Edit(
                RUNNER,
                "late = [each for each in sets if",
                "late = [each for each in sets[:1] if",
            ),
        ),
        (f"{FLOW}::test_all_that_cannot_begin_in_time_goes_back_at_once[sqlite]",),
    ),
    Mutant(
        "renewed-while-ringing",
        "follow-ups that are ours are renewed while others are rung",
        "P3: Redis hangs for longer than a lease, and a worker loses jobs that it is about to begin",
        (Edit(RUNNER, "        with self._leases.held(*applied.next_leases):  #", "        with suppress():  #"),),
        (f"{FLOW}::test_a_follow_up_stays_ours_while_the_others_are_rung",),
    ),
    Mutant(
        "release-the-free",
        "a worker that must end waits for no transaction with what it gives back",
        "P14: one job that is stuck in a lock costs all others of the worker a lease",
        (
            Edit(
                "portal_db/work/jobs.py",
                "select(Job.id).where(IS_UNDER).with_for_update(skip_locked=True)",
                "select(Job.id).where(IS_UNDER)",
            ),
        ),
        (
            "tests/portal_db/work/test_leases.py::test_a_job_that_is_just_being_written_keeps_no_other_from_going_back"
            "[postgresql]",
        ),
    ),
    Mutant(
        "run-alone",
        "a job that lost its lease twice runs in isolation",
        "P14: a job that kills its process keeps ending innocent jobs with it",
        (Edit(RUNNER, "return suspects, [*claimed", "return [], [*claimed"),),
        (f"{LOST_LEASES}::test_a_job_that_lost_its_lease_twice_is_run_alone[sqlite]",),
    ),
    Mutant(
        "poison",
        "a job that ends its isolated process becomes a dead letter",
        "P14: a job that kills its process returns for ever",
        (
            Edit(
                ALONE,
                "        if died and not self._stopped.is_set():\n            self._dead_letter(job_id, owner, began)\n",
            ),
        ),
        (f"{TEST_ALONE}::test_a_child_that_hangs_is_ended_and_its_job_buried",),
    ),
    Mutant(
        "poison-proof",
        "only a job that the child itself claimed is poison",
        "innocent jobs become dead letters because a child could not start",
        (
            Edit(
                ALONE,
                "job.state is not JobState.RUNNING or job.lease_owner != owner",
                "job.state is not JobState.RUNNING",
            ),
        ),
        (f"{TEST_ALONE}::test_a_job_that_somebody_else_has_is_not_buried",),
    ),
)

RELAYING = (
    Mutant(
        "relay-leads",
        "only the leader rings",
        "two relays ring everything twice",
        (Edit(RELAY, "        if not leads:\n            return 0\n", ""),),
        (f"{OUTAGES}::test_one_of_two_leads_and_the_other_takes_over_when_it_dies[sqlite]",),
    ),
    Mutant(
        "relay-looks-on",
        "the relay looks often until a second has passed without a ring",
        "a batch stands still for up to a second whenever its practice's limit is reached",
        (Edit(RELAY, "if quiet < QUIET_LOOKS else", "if quiet < 1 else"),),
        (f"{OUTAGES}::test_a_relay_looks_often_until_a_second_has_passed_without_a_ring[sqlite]",),
    ),
    Mutant(
        "relay-wakes",
        "an idle relay looks at once when a batch is recorded",
        "a batch stands still for up to a second before it begins",
        (
            Edit(
                RELAY,
                "return self._bell.is_woken(within_seconds=PAUSE_SECONDS)",
                "return self._bell.is_woken(within_seconds=PAUSE_SECONDS) is None",
            ),
        ),
        (f"{OUTAGES}::test_an_idle_relay_looks_at_once_when_a_batch_is_requested[sqlite]",),
    ),
    Mutant(
        "relay-listens",
        "an idle relay hears a wake-up while it waits",
        "a batch stands still for up to a tenth of a second before it begins",
        (
            Edit(
                BELL,
                '.blpop([f"{self._namespace}:woken"], timeout=within_seconds)',
                '.lpop(f"{self._namespace}:woken")',
            ),
        ),
        (f"{OUTAGES}::test_a_wake_up_is_heard_while_the_relay_waits_for_it",),
    ),
    Mutant(
        "relay-woken-once",
        "however often the relay is woken before it looks, it looks once",
        "it looks again and again for each of many small batches",
        (Edit(BELL, '            pipe.ltrim(f"{self._namespace}:woken", 0, 0)\n'),),
        (f"{OUTAGES}::test_a_wake_up_is_heard_while_the_relay_waits_for_it",),
    ),
    Mutant(
        "relay-stops-listening",
        "a relay that listens stops when it is told to",
        "a stop takes a second longer, and so does the next relay's start",
        (
            Edit(
                RELAY,
                "            if stopping.is_set():\n                break\n            if not",
                "            if not",
            ),
        ),
        (f"{OUTAGES}::test_a_relay_looks_often_until_a_second_has_passed_without_a_ring[sqlite]",),
    ),
    Mutant(
        "relay-rests",
        "however often the relay is woken, it rests between two looks",
        "workers that wake it often have it look all the time",
        (Edit(RELAY, "            stopping.wait(REST_SECONDS)\n", "            pass\n"),),
        (f"{OUTAGES}::test_wake_ups_that_find_nothing_end_no_backlog[sqlite]",),
    ),
    Mutant(
        "relay-woken-in-vain",
        "a look that the relay was woken for does not end a backlog",
        "a batch stands still for up to a second whenever its practice's limit is reached",
        (Edit(RELAY, "quiet + (not is_woken)", "quiet + 1"),),
        (f"{OUTAGES}::test_wake_ups_that_find_nothing_end_no_backlog[sqlite]",),
    ),
    Mutant(
        "emails-wake",
        "a worker wakes the relay for the emails of a set",
        "they wait for up to a tenth of a second, and the first imports of a batch with them",
        (Edit(RUNNER, "            if applied.to_relay:\n                self._bell.wake_relay()\n"),),
        ("tests/worker/runner/test_sets.py::test_the_emails_of_a_set_wake_the_relay[True-sqlite]",),
    ),
    Mutant(
        "waited-for-together",
        "what follows the creation of an import that a person waits for is one transaction",
        "they wait for a transaction more, and its email's end for both",
        (Edit(RUNNER, "                if self._run_together(sets):\n                    return\n"),),
        (f"{FLOW}::test_one_import_is_validated_and_created_by_one_transaction_and_completed_by_another[sqlite]",),
    ),
    Mutant(
        "waited-for-created",
        "an import that a person waits for is created by the transaction that validates it",
        "they wait for a transaction more",
        (Edit(RUNNER, "_creation(tasks, applied) if go_on else None", "None"),),
        (f"{FLOW}::test_one_import_is_validated_and_created_by_one_transaction_and_completed_by_another[sqlite]",),
    ),
    Mutant(
        "waited-for-nothing-more",
        "an import of which nothing else is brought ends with its creation",
        "it stays in progress for ever, and its client is created a second time",
        (Edit(RUNNER, "        applied.next_jobs, applied.next_leases = (), ()\n", ""),),
        (f"{FLOW}::test_an_import_of_which_nothing_else_is_brought_ends_with_its_creation[sqlite]",),
    ),
    Mutant(
        "waited-for-created-apart",
        "if such a creation fails, the validation is done, and the creation answers for itself",
        "a validation is a dead letter because of the creation, and requeueing it repeats both",
        (Edit(RUNNER, "raise _MustRunApart from error", "raise"),),
        (f"{FLOW}::test_a_creation_that_fails_leaves_its_validation_done[sqlite]",),
    ),
    Mutant(
        "waited-for-created-again",
        "while the database fails, validation and creation are tried again together",
        "each outage has its imports run apart, and logs them as failed",
        (
            Edit(
                RUNNER,
                "            except DATABASE_AWAY:\n                raise\n            except Exception as error:\n"
                "                raise _MustRunApart from error",
                "            except Exception as error:\n                raise _MustRunApart from error",
            ),
        ),
        (f"{FLOW}::test_while_the_database_fails_an_import_is_created_by_the_next_try[sqlite]",),
    ),
    Mutant(
        "waited-for-suspect",
        "what may have ended a worker shares no transaction",
        "P14: a validation is isolated, and dead, because its creation ends workers",
        (Edit(RUNNER, " or tasks[0].job.lost_leases:", ":"),),
        (f"{FLOW}::test_what_may_have_ended_a_worker_shares_no_transaction[sqlite]",),
    ),
    Mutant(
        "outcomes-by-kind",
        "jobs that share a transaction are counted by their own kinds",
        "the dashboards show relationships as never imported, and details twice",
        (
            Edit(
                "worker/runner/outcomes.py",
                "Counter(job.kind for job in jobs).items()",
                "[(jobs[0].kind, len(jobs))]",
            ),
        ),
        (
            "tests/worker/runner/test_outcomes.py"
            "::test_jobs_that_share_a_transaction_are_each_said_and_counted_by_their_kind",
        ),
    ),
    Mutant(
        "entities-first",
        "of what follows a set, entities are created before clients",
        "the first imports of a batch close later, since those of clients still wait for their emails",
        (
            Edit(
                RUNNER,
                "[*claimed, *jobs.claim_all(tx, to_take, **self._terms())]",
                "[*jobs.claim_all(tx, to_take, **self._terms()), *claimed]",
            ),
        ),
        ("tests/worker/runner/test_sets.py::test_what_follows_a_set_is_done_before_the_next_begins[sqlite]",),
    ),
    Mutant(
        "claim-locks-import-first",
        "a claim locks the import before the job",
        "a claim and a cancel of the import wait for each other, and one of them fails",
        (Edit("portal_db/work/imports.py", ".where(are_locked).cte(", ".cte("),),
        ("tests/portal_db/work/test_claims.py::test_a_claim_locks_the_import_before_the_job[postgresql]",),
    ),
    Mutant(
        "waited-for-apart",
        "if details or relationships fail, the others are done",
        "an import's details are lost because of its relationships",
        (
            Edit(
                RUNNER,
                "count=len(tasks), exc_info=error)\n            return False",
                "count=len(tasks), exc_info=error)\n            return True",
            ),
        ),
        (f"{FLOW}::test_of_details_and_relationships_only_the_one_that_fails_is_not_done[import_details-sqlite]",),
    ),
    Mutant(
        "waited-for-in-time",
        "jobs of a batch, for which nobody waits, run one kind after the other",
        "what has not begun before a stop goes on for longer",
        (Edit(RUNNER, " and of_set[0].interactive"),),
        (f"{FLOW}::test_what_is_not_begun_before_a_stop_goes_back_to_the_queue_uncounted[sqlite]",),
    ),
    Mutant(
        "relay-wakes-leader",
        "a relay on standby leaves a wake-up to the one that leads",
        "a batch stands still for up to a second whenever the wrong relay was quicker",
        (Edit(RELAY, "else IDLE_PAUSES, self.leads", "else IDLE_PAUSES, True"),),
        (f"{OUTAGES}::test_a_relay_on_standby_leaves_the_wake_up_to_the_one_that_leads[sqlite]",),
    ),
    Mutant(
        "relay-hears-no-more",
        "a relay whose Redis has failed looks without asking it first",
        "invariant 5: while Redis hangs, expired leases are taken back later and later",
        (Edit(RELAY, "pauses, hears = IDLE_PAUSES, False", "pauses, hears = IDLE_PAUSES, True"),),
        (f"{OUTAGES}::test_an_idle_relay_asks_a_redis_that_fails_once_between_two_looks",),
    ),
    Mutant(
        "batch-wakes",
        "whoever records a batch wakes the relay",
        "a batch stands still for up to a second before it begins",
        (Edit("handlers/imports/accept.py", "        bell.wake_relay()", "        pass"),),
        (f"{OUTAGES}::test_an_idle_relay_looks_at_once_when_a_batch_is_requested[sqlite]",),
    ),
    Mutant(
        "batch-wakes-again",
        "whoever records a large batch wakes the relay for each piece of it",
        "workers have nothing to do for up to a tenth of a second after the first rows of a batch",
        (
            Edit(
                "handlers/imports/accept.py",
                "        bell.wake_relay()",
                "        if start == 0:\n            bell.wake_relay()",
            ),
        ),
        ("tests/handlers/imports/test_accept.py::test_the_relay_is_woken_for_rows_while_others_are_recorded[300-3]",),
    ),
    Mutant(
        "relay-forgot",
        "what Redis lost is rung again at once",
        "P17, invariant 5: work waits until its ring is old",
        (Edit(RELAY, "            if forgot:\n", "            if not forgot and forgot:\n"),),
        (f"{OUTAGES}::test_what_redis_forgot_is_rung_again_at_the_next_tick[sqlite]",),
    ),
    Mutant(
        "relay-rings-inside",
        "a job that could not be rung does not count as rung",
        "P17: an outage of Redis delays work by ten seconds",
        (
            Edit(
                RELAY,
                "            self._ring(rings)\n        metrics",
                "        self._ring(rings)\n        metrics",
            ),
        ),
        (f"{OUTAGES}::test_a_redis_that_goes_away_between_two_lanes_leaves_nothing_rung[sqlite]",),
    ),
    Mutant(
        "relay-without-redis",
        "leases are taken back while Redis is away",
        "P4: an outage of Redis keeps a dead worker's jobs",
        (
            Edit(RELAY, "        lengths = self._bell.lengths()\n"),
            Edit(
                RELAY,
                "        with self._database.write() as tx:\n            taken_back = jobs.take_back_expired(tx)\n",
                "        lengths = self._bell.lengths()\n        with self._database.write() as tx:\n            taken_back = jobs.take_back_expired(tx)\n",
            ),
        ),
        (f"{OUTAGES}::test_while_redis_is_away_nothing_counts_as_rung_and_leases_are_taken_back[sqlite]",),
    ),
    Mutant(
        "bell-does-not-raise",
        "a bell that fails does not fail the request",
        "P21: a request that is recorded is reported as failed",
        (
            Edit(
                BELL,
                '            log.warning("bell.silent", lane=lane.value, count=len(job_ids), exc_info=error)\n',
                "            raise error\n",
            ),
        ),
        (f"{OUTAGES}::test_an_interactive_ring_that_fails_does_not_fail_the_request[sqlite]",),
    ),
)

QUEUES = (
    Mutant(
        "door-waits",
        "the queue door waits in place while the database is away",
        "P1: an exception acknowledges the message, and the request is lost",
        (
            Edit(
                DOOR,
                '                log.warning("door.database_away", exc_info=error)\n',
                "                raise error\n",
            ),
        ),
        (f"{TEST_DOOR}::test_while_the_database_is_away_a_request_waits_unacknowledged[sqlite]",),
    ),
    Mutant(
        "door-keeps-malformed",
        "an unreadable message is acknowledged only once it is kept",
        "P6: an outage of the database loses it",
        (Edit(DOOR, "        self._until_recorded(keep, ", "        self._until_recorded(lambda: None, "),),
        (f"{TEST_DOOR}::test_while_the_database_is_away_what_cannot_be_read_waits_too[sqlite]",),
    ),
    Mutant(
        "door-refused-kept",
        "a refused request is kept for operators",
        "P9: a refused request leaves no trace",
        (Edit(DOOR, '            self._keep(_as_json(fields), refusal.code, "refused")\n'),),
        (f"{TEST_DOOR}::test_a_refusal_says_what_and_where[an unknown staff member]",),
    ),
    Mutant(
        "door-sealed",
        "an unreadable message is kept encrypted",
        "invariant 6: personal data is readable in the database",
        (
            Edit(
                DOOR,
                "sealed = self._services.settings.vault.encrypt(payload[:KEPT_BYTES])",
                "sealed = payload[:KEPT_BYTES]",
            ),
        ),
        (f"{TEST_CONSUMER}::test_what_is_no_message_is_kept_and_strands_no_neighbour[no options]",),
    ),
    Mutant(
        "door-receipt-after-commit",
        'the receipt "accepted" is written after the commit',
        "P21, invariant 5: a producer reads of work that does not exist",
        (
            Edit(
                DOOR,
                "            accepted = self._until_recorded(lambda: accept(self._services.database, self._bell, request))\n",
                '            self._leave_receipt(request.practice_id, request.request_id, {"status": "accepted"})\n'
                "            accepted = self._until_recorded(lambda: accept(self._services.database, self._bell, request))\n",
            ),
        ),
        (f"{TEST_DOOR}::test_accepted_is_said_after_the_commit[sqlite]",),
    ),
    Mutant(
        "door-receipt-names-message",
        "a receipt names the message that it answers",
        "the sender of a corrected request reads the refusal of the first one, and gives up",
        (Edit(DOOR, 'answered = {"message_id": message_id}', "answered: dict[str, str] = {}"),),
        (f"{TEST_DOOR}::test_a_receipt_names_the_message_that_it_answers",),
    ),
    Mutant(
        "consumer-quarantine",
        "a message that cannot be decoded is set aside",
        "P6: a malformed message is lost silently",
        (
            Edit(
                CONSUMER,
                "            self.broker.quarantine(self.queue_name, data, reason)\n",
                "            pass\n",
            ),
        ),
        (f"{TEST_CONSUMER}::test_what_is_no_message_is_kept_and_strands_no_neighbour[null]",),
    ),
    Mutant(
        "consumer-acknowledges",
        "a message that cannot be decoded is acknowledged once it is set aside",
        "P6: it returns for ever",
        (Edit(CONSUMER, "        self.broker.do_ack(self.queue_name, held)\n", ""),),
        (f"{TEST_DOOR}::test_while_the_database_is_away_what_cannot_be_read_waits_too[sqlite]",),
    ),
    Mutant(
        "consumer-obeys-nothing",
        "the options of a message are ignored",
        "P2, P10: a producer's delay holds a request in memory",
        (Edit(CONSUMER, "return replace(message, options=own)", "return message"),),
        (f"{TEST_CONSUMER}::test_what_dramatiq_would_obey_is_not",),
    ),
    Mutant(
        "room-of-lanes",
        "lanes in which nobody waits have half of the threads of a worker for all lanes",
        "while a batch runs, who waits for one import waits for its sets",
        (Edit(BROKER, "return min(room, half)", "return room"),),
        (f"{TEST_CONSUMER}::test_a_batch_leaves_threads_to_who_waits",),
    ),
    Mutant(
        "room-for-emails",
        "a worker runs one set of imports at a time",
        "all sets of a batch end late, and the emails of imports that ended wait for them",
        (Edit(BROKER, "if consumer.queue_name == Lane.IMPORT and consumer.holds_set:", "if False:"),),
        (
            f"{TEST_CONSUMER}::test_a_worker_runs_one_set_of_imports_at_a_time[of all lanes]",
            f"{TEST_CONSUMER}::test_a_worker_runs_one_set_of_imports_at_a_time[of imports]",
        ),
    ),
    Mutant(
        "rehearsal-called",
        "a worker rehearses before its first job",
        "the first imports of a new worker take twice as long",
        (Edit(PROCESS, "        rehearse(parts.services)\n", ""),),
        ("tests/worker/test_processes.py::test_two_workers_and_a_relay_do_what_is_asked_once_and_stop_when_told",),
    ),
    Mutant(
        "rehearsal-rolled-back",
        "nothing of a rehearsal remains",
        "each start of a worker adds a practice and clients that nobody knows",
        (
            Edit(
                "portal_db/database.py",
                "        with self._sessions() as session:\n            yield _Rehearsal",
                "        with self._sessions.begin() as session:\n            yield _Rehearsal",
            ),
        ),
        (
            f"{TEST_REHEARSAL}::test_a_rehearsal_leaves_no_trace[postgresql]",
            f"{TEST_REHEARSAL}::test_a_rehearsal_is_rolled_back[postgresql]",
        ),
    ),
    Mutant(
        "rehearsal-untold",
        "a rehearsal is not counted, logged or traced",
        "metrics and traces have imports that nobody requested",
        (Edit(REHEARSAL, "as stage, untold():", "as stage:"),),
        (f"{TEST_REHEARSAL}::test_a_rehearsal_leaves_no_trace[postgresql]",),
    ),
    Mutant(
        "rehearsal-sends-nothing",
        "a rehearsal sends no email",
        "the mail server gets emails to made-up people",
        (Edit(REHEARSAL, ", mailer=_NoMailer())", ")"),),
        (f"{TEST_REHEARSAL}::test_a_rehearsal_leaves_no_trace[postgresql]",),
    ),
    Mutant(
        "rehearsal-may-fail",
        "a rehearsal that fails is no failure",
        "a worker does not start because of made-up imports, or while the database is away",
        (Edit(REHEARSAL, "except Exception as raised:", "except KeyError as raised:"),),
        (
            f"{TEST_REHEARSAL}::test_a_rehearsal_that_fails_is_no_failure[postgresql]",
            f"{TEST_REHEARSAL}::test_a_database_that_is_away_is_left_to_who_needs_it",
        ),
    ),
    Mutant(
        "rehearsal-not-on-sqlite",
        "SQLite is spared",
        "nobody else can write while a worker rehearses",
        (Edit(REHEARSAL, "if not services.database.is_postgresql:", "if False:"),),
        (f"{TEST_REHEARSAL}::test_sqlite_is_spared",),
    ),
    Mutant(
        "room-of-sets",
        "only sets of imports wait for each other",
        "imports that wait for XPM by themselves leave places empty",
        (Edit(CONSUMER, "if len(message.args) > 1:", "if True:"),),
        (f"{TEST_CONSUMER}::test_imports_that_wait_for_xpm_by_themselves_have_the_places_that_nobody_else_wants",),
    ),
    Mutant(
        "room-meanwhile",
        "a consumer that waited fetches no more than there is room for now",
        "two lanes take the same room, and a batch has all threads again",
        (
            Edit(
                CONSUMER,
                "        if self.broker.room(self) <= 0:  # another",
                "        if False:  # another",
            ),
        ),
        (f"{TEST_CONSUMER}::test_what_another_lane_has_taken_meanwhile_is_not_fetched",),
    ),
    Mutant(
        "one-message-at-a-time",
        "of messages that are rung together a process takes one at a time",
        "one process has all the sets of a small batch, and another has nothing to do",
        (
            Edit(
                "worker/queue/dispatch.py",
                "  redis.call('sadd', mine, id)\n",
                "  redis.call('sadd', mine, id, redis.call('lpop', queue) or id)\n",
            ),
        ),
        (f"{TEST_CONSUMER}::test_two_processes_share_what_is_rung_at_once",),
    ),
    Mutant(
        "broker-hands-back",
        "messages that a consumer fetched and lost with its connection return to the queue",
        "P2, P7: they are stuck until the process ends",
        (Edit(BROKER, "            self.do_requeue(queue_name, *self.held(queue_name))\n", "            pass\n"),),
        (f"{TEST_CONSUMER}::test_a_fetch_whose_answer_was_lost_strands_no_request",),
    ),
    Mutant(
        "broker-fetches-once",
        "a fetch is not repeated automatically",
        "P7: the messages of the first fetch are forgotten",
        (Edit(BROKER, "client = usable_client(settings, retries=0)", "client = usable_client(settings)"),),
        (f"{TEST_BROKER}::test_the_consumers_connection_sends_nothing_twice",),
    ),
    Mutant(
        "broker-noeviction",
        "a Redis that evicts keys is refused",
        "P17: Redis drops queued work when short of memory",
        (Edit(BROKER, 'if policy not in (None, "noeviction"):', "if policy == policy and not policy:"),),
        (f"{TEST_BROKER}::test_a_redis_that_evicts_is_refused",),
    ),
    Mutant(
        "queue-confined",
        "the script that moves messages touches keys below the namespace only",
        "a Redis user confined to our keys consumes nothing",
        (Edit(BROKER, 'keys = [queue, f"{queue}.msgs",', 'keys = [self.namespace, f"{queue}.msgs",'),),
        ("tests/worker/queue/test_confined.py::test_a_user_confined_to_our_keys_is_enough_for_an_import",),
    ),
    Mutant(
        "queue-dead-remembered",
        "a dead process is remembered until each of its queues was looked after",
        "requests that it held are stranded",
        (Edit(DISPATCH, "  if holds == 0 then", "  if true then"),),
        (
            "tests/worker/queue/test_confined.py::test_a_dead_process_is_remembered_until_all_its_queues_were_looked_after",
        ),
    ),
    Mutant(
        "queue-usable",
        "a Redis on which nothing could be consumed is refused at the start",
        "workers run and do nothing",
        (Edit(BROKER, "    require_usable(client, settings.redis_namespace)\n    require_safe", "    require_safe"),),
        ("tests/worker/queue/test_confined.py::test_a_worker_refuses_a_user_without_rights",),
    ),
    Mutant(
        "relay-usable",
        "a relay refuses a Redis that cannot be worked with",
        "it runs for ever and rings nothing",
        (Edit(PROCESS, "RedisQueues(usable_client(parts.settings)", "RedisQueues(connect(parts.settings)"),),
        ("tests/worker/cli/test_running.py::test_worker_and_relay_refuse_a_redis_that_they_cannot_work_with[relay]",),
    ),
    Mutant(
        "relay-says-once",
        "an interruption of the relay that goes on is logged once a minute",
        "a traceback a second, for hours",
        (Edit("worker/leader/relay.py", "if self._seldom.is_due(type(error).__name__):", "if True:"),),
        ("tests/worker/leader/test_relay_outages.py::test_what_goes_on_and_on_is_logged_once_a_minute",),
    ),
    Mutant(
        "consumed-refused",
        "a worker whose queues Redis refuses reports no lanes",
        "nothing is consumed and `/status` says that all is well",
        (Edit(PROCESS, "idle = {*broker.refused_queues, *(", "idle = {*("),),
        (
            "tests/worker/queue/test_confined.py"
            "::test_rights_that_are_taken_away_stop_nothing_for_good_and_are_logged_once[while it runs]",
        ),
    ),
    Mutant(
        "consumed-stalled",
        "a worker reports no lane whose consumer stands still",
        "nothing is consumed and `/status` says that all is well",
        (Edit(PROCESS, "if _loop(queue) in liveness.stalled()", "if not queue"),),
        ("tests/worker/queue/test_confined.py::test_a_lane_whose_consumer_stands_still_is_not_consumed",),
    ),
    Mutant(
        "presence-lanes",
        "a worker's heartbeat tells when its lanes change",
        "those of its start count until it ends",
        (Edit("worker/runner/presence.py", "if lanes != self._reported:", "if False:"),),
        (
            "tests/worker/queue/test_confined.py::test_a_worker_that_consumes_a_lane_no_longer_says_so_with_its_heartbeat",
        ),
    ),
    Mutant(
        "broker-puts-aside",
        "a message whose actor failed is set aside",
        "P1, P9: it is only acknowledged",
        (Edit(BROKER, '            broker.quarantine(message.queue_name, message.encode(), "actor_failed")\n'),),
        (f"{TEST_DOOR}::test_a_request_that_trips_over_a_bug_of_ours_is_kept",),
    ),
)

LOGGED = (
    Mutant(
        "log-fields",
        "a log line contains listed fields only",
        "P19, invariant 6: personal data in logs",
        (Edit(LOGGING, "        _only_loggable,\n    ]", "    ]"),),
        (f"{LOGS}::test_a_field_that_is_not_listed_is_left_out",),
    ),
    Mutant(
        "log-fields-listed",
        "each field that our code logs is listed",
        "a line of a real process says nothing",
        (Edit(LOGGING, '            "xpm_uuid",\n', ""),),
        (f"{LOGS}::test_every_field_that_our_code_logs_is_listed",),
    ),
    Mutant(
        "log-exceptions",
        "of an exception, type and place are logged but not its text",
        "P19, invariant 6: an error quotes a row or a request",
        (
            Edit(
                LOGGING,
                '        event["exception_type"] = type(error).__name__\n',
                '        event["exception_type"] = repr(error)\n',
            ),
        ),
        (f"{LOGS}::test_an_exception_is_named_and_not_quoted",),
    ),
    Mutant(
        "log-libraries",
        "arguments of libraries' log lines are removed",
        "P19, invariant 6: dramatiq prints a message, SQLAlchemy a row",
        (Edit(LOGGING, "    handler.addFilter(_Foreign())\n"),),
        (f"{LOGS}::test_a_librarys_line_loses_its_arguments",),
    ),
    Mutant(
        "log-lost",
        "a line of the log that cannot be written stops nobody",
        "jobs fail after their commit because a disk is full",
        (Edit(LOGGING, "        with suppress(OSError, ValueError):", "        with suppress():"),),
        tuple(f"{LOGS}::test_a_line_that_cannot_be_written_stops_nobody[{each}]" for each in ("full disk", "closed")),
    ),
)

RINGING = (
    Mutant(
        "ring-limit",
        "only a limited number of jobs of a practice is rung at once",
        "P10, invariant 4: a big batch delays everybody else",
        (
            Edit(
                CANDIDATES,
                "(limit - flying).label",
                "(limit + flying).label",
            ),
        ),
        ("tests/worker/leader/test_relay_fairness.py::test_so_many_jobs_of_a_practice_are_rung_at_once[sqlite]",),
    ),
    Mutant(
        "ring-webhooks-apart",
        "webhooks have a limit of their own",
        "P10: an endpoint of one customer that answers slowly delays the welcome emails",
        (Edit(CANDIDATES, "    (Lane.EMAIL,),\n    (Lane.WEBHOOKS,),\n", "    (Lane.EMAIL, Lane.WEBHOOKS),\n"),),
        ("tests/worker/leader/test_relay_fairness.py::test_email_and_webhooks_have_limits_of_their_own[sqlite]",),
    ),
    Mutant(
        "ring-in-one-look",
        "one statement finds the candidates of all practices",
        "invariant 8: the relay's look grows with the number of practices",
        (
            Edit(
                RING,
                "        rooms[key] = room\n",
                "        rooms[key] = min(room, limit - candidates.in_flight(tx, {key[0]})[key])\n",
            ),
        ),
        ("tests/worker/leader/test_relay_growth.py::test_a_look_takes_no_more_statements_for_many_practices[sqlite]",),
    ),
    Mutant(
        "ring-turns",
        "practices take turns",
        "P10: a practice with a big batch goes first",
        (Edit(RING, "chain.from_iterable(zip_longest(*per_practice))", "chain(*per_practice, zip_longest())"),),
        ("tests/worker/leader/test_relay_fairness.py::test_practices_take_turns_in_one_round[sqlite]",),
    ),
    Mutant(
        "ring-again",
        "a job that was rung is not rung again for ten seconds",
        "P10: Redis fills with rings of the same jobs",
        (
            Edit(
                CANDIDATES,
                "Job.rung_at < db_time(-RING_AGAIN_SECONDS))",
                "Job.rung_at < db_time(1))",
            ),
        ),
        (
            "tests/worker/leader/test_relay_fairness.py::test_interactive_work_whose_ring_was_lost_is_rung_again[sqlite]",
        ),
    ),
    Mutant(
        "ring-full-lane",
        "nothing is rung a second time while its queue is long",
        "P10, P17: a queue that is behind grows without limit",
        (Edit(CANDIDATES, "tuple(lane for lane in Lane if lane not in full_lanes)", "tuple(Lane)"),),
        (
            "tests/worker/leader/test_relay_fairness.py::test_a_long_queue_is_not_rung_again_but_takes_what_is_new[sqlite]",
        ),
    ),
    Mutant(
        "ring-place",
        "a job that was rung keeps its place until it is claimed, however long ago that was",
        "P10: a backlog goes into the queue by and by, and everybody else's work waits behind it",
        (
            Edit(
                CANDIDATES,
                "was_rung(), ~Job.interactive, Job.practice_id == series.c.practice_id",
                "was_rung(), Job.rung_at > db_time(-RING_AGAIN_SECONDS), ~Job.interactive,"
                " Job.practice_id == series.c.practice_id",
            ),
        ),
        (
            "tests/worker/leader/test_relay_fairness.py"
            "::test_a_practice_puts_no_more_into_a_long_queue_than_its_limit[sqlite]",
            "tests/portal_db/work/test_ringing.py::test_a_job_keeps_its_place_until_it_is_claimed[sqlite-short queue]",
        ),
    ),
    Mutant(
        "ring-place-left",
        "a job that cannot be claimed any more leaves its place",
        "one kind is paused, and the practice's other work starves; once it goes on, nothing rings it in a long queue",
        (Edit(RING, "    _set_rung(tx, idle, None)", "    #"),),
        (
            "tests/portal_db/work/test_ringing.py"
            "::test_what_is_paused_after_it_was_rung_leaves_its_place_to_others[sqlite-short queue]",
            "tests/portal_db/work/test_ringing.py"
            "::test_what_is_paused_after_it_was_rung_leaves_its_place_to_others[sqlite-long queue]",
        ),
    ),
    Mutant(
        "ring-room-shared",
        "a practice's kinds of job share its room",
        "P10: a practice rings as many of each kind as it may ring of all",
        (Edit(RING, "(quota.holds(each), each.order))[: rooms[key]]", "(quota.holds(each), each.order))"),),
        (
            "tests/portal_db/work/test_ringing.py"
            "::test_no_more_are_rung_and_unfinished_than_may_be_whatever_happens[sqlite-0]",
        ),
    ),
    Mutant(
        "ring-on-their-way",
        "what waits in a long queue is still on its way to a permit, however long ago it was rung",
        "P11: more jobs start than permits are free, and are deferred again",
        (Edit(CANDIDATES, ", Job.lane.in_(full_lanes))", ")"),),
        (
            "tests/xpm/quota/test_deferrals.py::test_those_that_wait_in_a_long_queue_are_still_on_their_way[sqlite-False]",
        ),
    ),
    Mutant(
        "ring-pause",
        "paused work is not rung",
        "paused work uses up the practice's limit",
        (
            Edit(
                CANDIDATES,
                ", is_known(series.c), ~is_paused(series.c))",
                ", is_known(series.c))",
            ),
        ),
        ("tests/worker/leader/test_relay_fairness.py::test_what_cannot_be_claimed_is_not_rung[sqlite]",),
    ),
    Mutant(
        "ring-batch-order",
        "a row that is out of turn is not rung",
        "b.10: rows that wait use up the practice's limit",
        (Edit(CANDIDATES, "~Job.interactive, is_due(), ~is_out_of_turn())", "~Job.interactive, is_due())"),),
        ("tests/worker/leader/test_relay_fairness.py::test_what_cannot_be_claimed_is_not_rung[sqlite]",),
    ),
    Mutant(
        "ring-permits",
        "of the jobs that wait for the quota, only as many are rung as permits are free",
        "P11: all of them start at once and are deferred again",
        (
            Edit(
                RING,
                "return held[: max(0, self._take(practice_id, lane, on_their_way + len(held)) - on_their_way)]",
                "return held",
            ),
        ),
        (
            "tests/xpm/quota/test_deferrals.py::test_as_many_are_rung_as_permits_are_free_the_oldest_first[sqlite-False]",
        ),
    ),
    Mutant(
        "ring-no-overtaking",
        "jobs that were never tried do not overtake those that wait for the quota",
        "P10, P11: new work starves waiting work",
        (
            Edit(
                RING,
                "job.waits_for_quota if job.interactive else job.series in self._series",
                "job.waits_for_quota",
            ),
        ),
        ("tests/xpm/quota/test_deferrals.py::test_jobs_never_tried_do_not_overtake_those_that_wait[sqlite]",),
    ),
    Mutant(
        "ring-bounded",
        "a look reads a limited number of jobs",
        "the first look at a deep backlog outlasts its transaction, and nothing is ever rung",
        (Edit(CANDIDATES, '    return statement.limit(bindparam("at_once"))\n', "    return statement\n"),),
        (
            "tests/portal_db/work/test_ringing.py"
            "::test_a_look_ends_however_much_there_is_and_those_with_most_room_come_first[sqlite]",
        ),
    ),
    Mutant(
        "ring-most-room",
        "when a look cannot ring everything, practices with the fewest jobs under way come first",
        "P10: the same practices are served at each look, and others never",
        (
            Edit(
                CANDIDATES,
                "order_by(rooms.c.room.desc(), rooms.c.practice_id)",
                "order_by(rooms.c.practice_id)",
            ),
            Edit(CANDIDATES, "order_by(with_room.c.room.desc(), job", "order_by(job"),
        ),
        (
            "tests/portal_db/work/test_ringing.py"
            "::test_a_look_ends_however_much_there_is_and_those_with_most_room_come_first[sqlite]",
        ),
    ),
)

SETS_TESTS = "tests/worker/runner/test_sets.py"

SETS = (
    Mutant(
        "set-failures",
        "a job of a set that has failed is recorded, though the leases of all others are lost",
        "it waits for its own lease to end, and has then lost one",
        (
            Edit(
                RUNNER,
                '                log.info("job.lease_lost")\n            except Exception as error:\n',
                '                log.info("job.lease_lost")\n                return _Applied()\n'
                "            except Exception as error:\n",
            ),
        ),
        (f"{SETS_TESTS}::test_a_failure_of_a_set_is_recorded_though_all_other_leases_are_lost[sqlite]",),
    ),
    Mutant(
        "cancel-order",
        "a cancel of many locks their imports in the order in which everybody locks several",
        "a batch is cancelled last row first while sets of it run, and the two wait for each other",
        (
            Edit(
                "handlers/imports/cancel.py",
                "        imports.lock_all(tx, import_ids)  # in the order in which everybody locks several\n",
                "",
            ),
        ),
        (
            "tests/handlers/imports/test_deadlocks.py::test_a_cancel_of_a_batch_locks_its_imports_in_the_order_of_their_ids[postgresql]",
        ),
    ),
    Mutant(
        "set-suspect",
        "a job that has lost a lease is not claimed in a set",
        "P14: a job that kills its process takes forty-nine others with it each time",
        (Edit("portal_db/work/jobs.py", "1 if len(leases) > 1 else fewer_lost_leases_than", "fewer_lost_leases_than"),),
        (f"{SETS_TESTS}::test_a_job_that_has_lost_a_lease_is_not_claimed_in_a_set[sqlite]",),
    ),
    Mutant(
        "follow-up-paused",
        "a follow-up that a pause may hold back is claimed like any other job, not as it is inserted",
        "an operator's pause has no effect on work that is under way",
        (Edit(RUNNER, "if may_be_paused or job.in_batch_order or", "if job.in_batch_order or"),),
        ("tests/worker/runner/test_flow.py::test_nothing_is_run_on_that_is_paused[kind]",),
    ),
    Mutant(
        "follow-up-in-order",
        "a follow-up that may be out of turn is claimed like any other job, not as it is inserted",
        "b.10: a later row takes the email of an earlier one",
        (Edit(RUNNER, "if may_be_paused or job.in_batch_order or", "if may_be_paused or"),),
        (
            "tests/handlers/imports/test_batch_order.py::test_a_row_that_waits_for_the_quota_holds_the_later_ones_back[sqlite]",
        ),
    ),
    Mutant(
        "set-fence",
        "a job of a set whose lease is lost is left out",
        "P3, invariant 2: two workers write one job's effect, or one lost lease costs the whole set",
        (
            Edit(
                RUNNER,
                "held[task.job.id].row) for task in tasks if task.job.id in held]",
                "task.row) for task in tasks]",
            ),
        ),
        (f"{SETS_TESTS}::test_a_job_whose_lease_is_lost_is_left_out_with_its_effect[sqlite]",),
    ),
    Mutant(
        "set-apart",
        "after something unforeseen the jobs of a set run one by one",
        "one odd record makes dead letters of fifty, or holds them up for ever",
        (
            Edit(
                RUNNER,
                "                self._run_apart(ours)\n                return _Applied()\n",
                "                return _Applied()\n",
            ),
        ),
        (f"{SETS_TESTS}::test_something_unforeseen_is_one_job_s[sqlite]",),
    ),
    Mutant(
        "set-apart-ours",
        "what was given back to the queue is not run apart",
        "calls of XPM are made twice, by a worker that no longer has the jobs",
        (Edit(RUNNER, "self._run_apart(ours)", "self._run_apart(claimed)"),),
        (f"{SETS_TESTS}::test_what_was_given_back_for_its_own_call_is_not_run_apart[sqlite]",),
    ),
    Mutant(
        "commit-follow-ups",
        "the follow-ups of a COMMIT whose answer was lost are those of the try that wrote them",
        "a second break, and follow-ups that nobody runs wait for their leases to end",
        (
            Edit(
                RUNNER,
                "                written = _Applied()\n",
                "                written = applied = _Applied()\n",
            ),
        ),
        (f"{COMMITS}::test_after_a_lost_answer_the_import_goes_on[1-sqlite]",),
    ),
    Mutant(
        "chain-patient",
        "a worker that holds the mail server's answer goes on trying to record it",
        "a failover of the database, and an email for each thread is of unknown outcome",
        (Edit("worker/runner/chain.py", "for_seconds=RECORD_SECONDS if is_only_sent else 0.0", "for_seconds=0.0"),),
        (
            "tests/worker/runner/test_chain.py"
            "::test_an_email_whose_sending_cannot_be_recorded_for_a_while_is_known_to_be_sent[sqlite]",
        ),
    ),
    Mutant(
        "chain-patient-end",
        "the last email of a set is recorded as patiently as the others",
        "a failover of the database, and an email for each thread is of unknown outcome",
        (Edit("worker/runner/chain.py", "self._tries(for_seconds=RECORD_SECONDS):", "self._tries():"),),
        ("tests/worker/runner/test_chain.py::test_the_last_email_of_a_set_is_recorded_as_patiently[sqlite]",),
    ),
    Mutant(
        "poison-takes-its-worker",
        "P14: a job whose isolated process takes its worker with it is not run for ever",
        "one job that uses up a machine's memory ends all workers of the lane, again and again",
        (
            Edit(
                "worker/runner/isolation.py", "if job.lost_leases >= MOST_LOST_LEASES:", "if job.lost_leases >= 10**9:"
            ),
        ),
        ("tests/worker/runner/test_isolation.py::test_who_takes_its_worker_along_is_buried_without_another_run",),
    ),
    Mutant(
        "email-late-reset",
        "emails about one's own account are begun under the lease of their job",
        "a worker that was held up sends a link that has ended, beside the one that works",
        (Edit("handlers/access/password_reset.py", "        jobs.require_held(tx, jobs.lease_of(job))\n"),),
        ("tests/handlers/email/test_lost_lease.py::test_a_link_for_a_password",),
    ),
    Mutant(
        "email-late-notice",
        "emails about one's own account are begun under the lease of their job",
        "a worker that was held up sends a notice a second time",
        (Edit("handlers/access/security_notice.py", "        jobs.require_held(tx, jobs.lease_of(job))\n"),),
        ("tests/handlers/email/test_lost_lease.py::test_a_notice_of_a_change",),
    ),
    Mutant(
        "email-late-invitation",
        "emails about one's own account are begun under the lease of their job",
        "a worker that was held up sends a co-owner a link that has ended",
        (Edit("handlers/clients/co_owners.py", "        require_held(tx, lease_of(job))\n"),),
        ("tests/handlers/email/test_lost_lease.py::test_the_invitation_of_a_co_owner",),
    ),
    Mutant(
        "email-late-reconnect",
        "emails about one's own account are begun under the lease of their job",
        "a worker that was held up asks to reconnect a second time",
        (Edit("handlers/xero/reconnect_notice.py", "        jobs.require_held(tx, jobs.lease_of(job))\n"),),
        ("tests/handlers/xero/test_breaks.py::test_a_worker_that_was_held_up_tells_nobody_late",),
    ),
    Mutant(
        "ring-held-place",
        "a job that the quota holds back keeps no place once its message is lost",
        "a practice whose day of quota is used up gets nothing done that needs none",
        (
            Edit(
                "portal_db/work/ringing.py",
                "    _set_rung(tx, [each.job_id for each in again if each.job_id not in chosen], None)\n",
            ),
        ),
        (
            "tests/portal_db/work/test_ringing.py"
            "::test_what_the_quota_holds_back_after_its_message_was_lost_leaves_its_place[sqlite]",
        ),
    ),
    Mutant(
        "ring-every-lane",
        "a job is rung whatever its lane, whether or not a person waits for it",
        "an email with a link for a password whose ring was lost is never sent",
        (Edit(CANDIDATES, "    (Lane.INTERACTIVE,),\n"),),
        (
            "tests/worker/leader/test_relay_fairness.py::test_a_job_of_any_kind_is_rung_whether_or_not_a_person_waits[send_password_reset-sqlite]",
        ),
    ),
    Mutant(
        "set-email-order",
        "within a set the first row in request order gets the email",
        "b.10: the order of a message decides who is imported",
        (
            Edit(
                "handlers/imports/validate.py",
                "sorted(tasks, key=lambda task: task.row.position or 0)",
                "list(tasks)",
            ),
        ),
        (f"{SETS_TESTS}::test_of_two_rows_of_a_set_that_want_one_email_the_first_gets_it[sqlite]",),
    ),
    Mutant(
        "set-time",
        "jobs of a set that are not run apart in time go back to the queue",
        "P18: a shutdown waits for fifty jobs; a deadline counts as a lost lease",
        (
            Edit(
                RUNNER, "if time.monotonic() < enough and not self._stopping.is_set():", "if time.monotonic() < enough:"
            ),
        ),
        (f"{SETS_TESTS}::test_what_is_not_run_apart_before_a_stop_goes_back_to_the_queue_uncounted[sqlite]",),
    ),
    Mutant(
        "set-of-new",
        "a job that was tried before is rung by itself",
        "P14: a job that failed once is tried again with others",
        (
            Edit(
                "worker/leader/relay.py", "if ring.is_new and ring.kind in KINDS else 1", "if ring.kind in KINDS else 1"
            ),
        ),
        ("tests/worker/leader/test_relay_fairness.py::test_a_job_that_was_tried_before_is_rung_by_itself[sqlite]",),
    ),
    Mutant(
        "email-stale-connection",
        "a kept connection to the mail server is tried before a message goes out on it",
        "an email counts as not sent, or nobody knows, because a connection went stale",
        (
            Edit(
                "handlers/email/smtp.py",
                "                    if _is_yes(next(replies)[0]):\n                        return server, replies\n",
                "                    next(replies)\n                    return server, replies\n",
            ),
        ),
        (
            "tests/handlers/email/test_smtp.py::test_a_kept_connection_that_has_gone_stale_is_replaced_before_anything_is_sent[at once-500 what]",
        ),
    ),
)

CHAIN = "worker/runner/chain.py"
CHAIN_TESTS = "tests/worker/runner/test_chain.py"

CHAINS = (
    Mutant(
        "ended-lets-go",
        "emails that have ended are not renewed any longer while the others of their set are sent",
        "each set of emails reports leases as lost, and operators look for a fault of the database",
        (Edit(CHAIN, "            self._let_go([task.job for task in left[:begun]])\n", ""),),
        (f"{CHAIN_TESTS}::test_emails_that_have_ended_are_not_taken_for_lost_while_the_others_are_sent[sqlite]",),
    ),
    Mutant(
        "lost-but-sent",
        "an email that was sent is recorded so although its job was taken back meanwhile",
        "a worker that slept has the server's yes, and a person must find out whether the email was sent",
        (Edit(CHAIN, "                sending.record(tx, task)\n", "                pass\n"),),
        (
            f"{CHAIN_TESTS}::test_an_email_that_was_sent_is_known_to_be_sent_although_its_job_was_taken_back[sqlite-alone]",
        ),
    ),
    Mutant(
        "chain-one-at-a-time",
        "the transaction that ends an email begins only the next",
        "b.6: a worker that dies leaves every email of its set unknown",
        (
            Edit(
                CHAIN,
                "        recorded: list[Task] = []\n",
                "        recorded: list[Task] = []\n"
                "        with self._database.write() as tx:\n"
                "            [sending.begin(tx, task) for task in tasks]\n",
            ),
        ),
        (
            f"{CHAIN_TESTS}::test_one_transaction_records_an_email_and_begins_the_next[sqlite]",
            f"{CHAIN_TESTS}::test_a_worker_killed_in_a_chain_leaves_one_email_unknown[sqlite-after sending]",
        ),
    ),
    Mutant(
        "chain-ends-before-next",
        "an email that was sent is recorded before the next goes out",
        "b.6: a worker that dies leaves every email of its set unknown",
        (
            Edit(
                CHAIN,
                "if sent is not None:\n                    self._record(",
                "if sent and not task:\n                    self._record(",
            ),
        ),
        (f"{CHAIN_TESTS}::test_a_worker_killed_in_a_chain_leaves_one_email_unknown[sqlite-after sending]",),
    ),
    Mutant(
        "chain-ends-soon",
        "a few emails that were sent end together, before the next is begun",
        "the progress of a batch stands still for twenty emails",
        (Edit(CHAIN, "left[:END_TOGETHER]", "left"),),
        (f"{CHAIN_TESTS}::test_one_transaction_records_an_email_and_begins_the_next[sqlite]",),
    ),
    Mutant(
        "chain-own-failure",
        "if an email cannot be ended with the beginning of the next, each is tried by itself",
        "b.6: a fault of one email makes another's outcome unknown",
        (
            Edit(
                CHAIN,
                "            if sent is not None and task is not None:\n",
                "            if sent is None and task is None:\n",
            ),
        ),
        (f"{CHAIN_TESTS}::test_a_begin_that_fails_is_one_email_s[sqlite]",),
    ),
    Mutant(
        "chain-own-end",
        "if the jobs of a set cannot be ended together, each is tried by itself",
        "emails that were sent become dead letters with one that fails",
        (Edit(CHAIN, "if len(tasks) == 1:\n", "if True:\n"),),
        (f"{CHAIN_TESTS}::test_an_end_that_fails_is_one_email_s[sqlite-the first]",),
    ),
    Mutant(
        "chain-cancelled",
        "an import whose email was sent is not cancelled before the email's job has ended",
        "staff read that an email was cancelled which the client has",
        (
            Edit(
                "handlers/imports/cancel.py",
                "    return state is EmailState.SENDING or (",
                "    return state is EmailState.SENDING and (",
            ),
        ),
        (f"{CHAIN_TESTS}::test_an_email_that_was_sent_is_not_cancelled_although_its_job_has_not_ended[sqlite]",),
    ),
    Mutant(
        "chain-stops",
        "a worker that stops begins no more emails of its set",
        "P18: a shutdown waits for twenty emails, or kills one in the middle",
        (Edit(CHAIN, "< until and not self._stopping.is_set()", "< until"),),
        (f"{CHAIN_TESTS}::test_a_stop_in_a_chain_gives_back_what_has_not_begun[sqlite]",),
    ),
    Mutant(
        "chain-in-time",
        "emails of a set that cannot begin in time go back to the queue",
        "P3: a slow mail server uses up the deadline of the later ones, and their outcome is unknown",
        (Edit(CHAIN, "return time.monotonic() < until and not", "return not"),),
        (f"{CHAIN_TESTS}::test_a_slow_server_does_not_use_up_the_time_of_the_later_ones[sqlite]",),
    ),
    Mutant(
        "chain-gives-back",
        "an email that is not begun goes back to the queue",
        "it waits for its lease, and is under suspicion (P14)",
        (Edit(CHAIN, "if task is not None and not begun:", "if False:"),),
        (f"{CHAIN_TESTS}::test_an_email_whose_address_was_corrected_is_written_anew[sqlite]",),
    ),
    Mutant(
        "chain-withdraws",
        "the intent of an email that was certainly not sent is withdrawn, also if the lease was lost",
        "b.6: an email is unknown although it was not sent",
        (
            Edit(
                CHAIN,
                "        with suppress(SQLAlchemyError), self._database.write() as tx:  # or its next attempt finds the intent: unknown\n            sending.withdraw(tx, task)\n",
                "        pass\n",
            ),
        ),
        (f"{CHAIN_TESTS}::test_an_email_that_was_put_off_by_a_worker_that_came_late_is_sent_once[sqlite]",),
    ),
    Mutant(
        "chain-address",
        "a letter goes to the address that its login has when it is begun",
        "an email with an activation link goes to an address that was corrected before",
        (Edit("portal_db/welcome_emails.py", '        bindparam("address", type_=Login.email.type) == _ADDRESS,\n'),),
        (f"{CHAIN_TESTS}::test_an_email_whose_address_was_corrected_is_written_anew[sqlite]",),
    ),
)


MUTANTS = (*CHAINS, *SETS, *RINGING, *RUNNING, *RELAYING, *QUEUES, *LOGGED)
