"""Guards of the record: who has a job, and until when (portal_db)."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant

JOBS = "portal_db/work/jobs.py"
CLAIMS = "tests/portal_db/work/test_claims.py"
BULK = "tests/portal_db/test_bulk.py"
BATCH_GROWTH = "tests/portal_db/work/test_batch_growth.py::test_a_set_reads_what_it_imports[new postgresql]"
WHOLE_IMPORT = (
    "tests/portal_db/work/test_batch_growth.py"
    "::test_no_statement_of_an_import_reads_what_others_have_left[new postgresql]"
)
LEASES = "tests/portal_db/work/test_leases.py"
POOLER = "portal_db/pooler.py"
POOLER_TESTS = "tests/portal_db/test_pooler.py"
TRANSACTIONS = "tests/portal_db/test_transactions.py"
CLOCK = "tests/worker/leader/test_clock_went_back.py"

PLANS = (
    "tests/portal_db/work/test_batch_growth.py"
    "::test_a_worker_makes_a_plan_once_that_fits_any_parameters[new postgresql]"
)

CLAIMING = (
    Mutant(
        "together-in-order",
        "statements about one table are never sent as one",
        "one of two changes of a row is lost: PostgreSQL makes neither wait for the other",
        (
            Edit(
                "portal_db/bulk.py",
                "if any(each.table is table for each in waiting.parts):",
                "if False:",
            ),
        ),
        (f"{BULK}::test_statements_are_sent_together[1-postgresql]",),
    ),
    Mutant(
        "waiting-before-reads",
        "statements that wait for the next one are sent before anything else is read",
        "a transaction decides by rows that it has changed already",
        (
            Edit(
                "portal_db/database.py",
                "        self.send_waiting()\n        return self._session",
                "        return self._session",
            ),
        ),
        (f"{BULK}::test_what_waits_is_written_before_anything_else_is_read[postgresql]",),
    ),
    Mutant(
        "waiting-before-commit",
        "statements that wait for the next one are sent before the transaction is committed",
        "what the transaction's last statements wrote is missing",
        (Edit("portal_db/database.py", "            yield tx\n            tx.send_waiting()", "            yield tx"),),
        (f"{BULK}::test_what_waits_for_no_other_statement_is_committed[sqlite]",),
    ),
    Mutant(
        "waiting-before-select",
        "statements that wait go with a SELECT, or before it where the database takes no two at once",
        "on SQLite what waits when a job ends is lost: its import never closes",
        (Edit("portal_db/bulk.py", "        tx.send_waiting()\n    return", "        _of(tx).take()\n    return"),),
        (f"{BULK}::test_a_select_takes_along_what_waits_and_reads_what_was_there_before[sqlite]",),
    ),
    Mutant(
        "standings-after-end",
        "a job that ends by the statement which reads how its import stands counts as ended",
        "an import whose last job has succeeded never closes, and nobody is told",
        (Edit(JOBS, "            is_done = standing.id in succeeded", "            is_done = False"),),
        (f"{LEASES}::test_what_succeeds_now_counts_for_its_import[postgresql]",),
    ),
    Mutant(
        "alias-ready",
        "an alias of a table is ready before a second thread can use it",
        "a worker whose threads start together claims by a wrong statement until it ends: its jobs die as bugs",
        (
            Edit(
                "portal_db/aliases.py",
                "    inspect(alias).selectable.corresponding_column(own)",
                "    inspect(alias), own",
            ),
        ),
        (
            "tests/portal_db/test_aliases.py::test_threads_that_use_an_alias_for_the_first_time_at_once_get_its_own_columns"
            "[of a table]",
        ),
    ),
    Mutant(
        "clock-back-role",
        "a role's lease from before the database's clock went back is void",
        "no relay leads until the clock has caught up",
        (
            Edit(
                "portal_db/work/leaders.py",
                "or_(Leader.renewed_at.is_(None), Leader.renewed_at <= db_now())",
                "true()",
            ),
        ),
        ("tests/worker/leader/test_clock_went_back.py::test_a_role_held_from_the_future_is_free[3600.0-postgresql]",),
    ),
    Mutant(
        "clock-back-lease",
        "a job's lease from before the database's clock went back is void",
        "the jobs of a killed worker stand still until the clock has caught up",
        (Edit(JOBS, ", Job.lease_until > db_now(Job.deadline_seconds))", ", Job.lease_until.is_(None))"),),
        (
            "tests/worker/leader/test_clock_went_back.py::test_a_job_leased_from_the_future_is_named_and_taken_back[3600.0-postgresql]",
        ),
    ),
    Mutant(
        "clock-back-ring",
        "a job rung before the database's clock went back is rung again",
        "what Redis lost meanwhile is not rung until the clock has caught up",
        (Edit("portal_db/work/candidates.py", "in _in_vain(lanes) for", "in _in_vain(lanes)[:1] for"),),
        (
            "tests/worker/leader/test_clock_went_back.py"
            "::test_what_was_rung_in_the_future_is_rung_again_and_counts_as_nothing_under_way[postgresql]",
        ),
    ),
    Mutant(
        "clock-back-parked",
        "a job parked before the database's clock went back is due",
        "retries and deferred jobs stand still until the clock has caught up",
        (
            Edit(
                "portal_db/work/due.py",
                "    has_come = or_(Job.next_attempt_at <= db_now(), was_parked_ahead())",
                "    has_come = Job.next_attempt_at <= db_now()",
            ),
        ),
        (f"{CLOCK}::test_the_relay_rings_what_was_parked_in_the_future[postgresql]",),
    ),
    Mutant(
        "clock-back-probe",
        "a probe planned before the database's clock went back is made",
        "the jobs of an outage stand still until the clock has caught up, although the server is back",
        (Edit("portal_db/types.py", ", until > db_now(longest_seconds))", ")"),),
        (f"{CLOCK}::test_a_probe_planned_in_the_future_is_made[postgresql]",),
    ),
    Mutant(
        "clock-back-schedule",
        "a schedule planned before the database's clock went back is planned again",
        "no night and no sync until the clock has caught up",
        (Edit("worker/leader/scheduler.py", "        schedule_due.plan_anew(self.database, self.plan)\n", ""),),
        (f"{CLOCK}::test_a_schedule_planned_in_the_future_is_named_and_planned_again[3456000.0-postgresql]",),
    ),
    Mutant(
        "clock-back-overdue",
        "an overdue job is found although its times are ahead of a clock that went back",
        "reconcile finds nothing while jobs stand still",
        (
            Edit(
                "portal_db/upkeep/discrepancies.py",
                "db_now(-OVERDUE_SECONDS), moment > db_now())",
                "db_now(-OVERDUE_SECONDS))",
            ),
        ),
        (f"{CLOCK}::test_an_overdue_job_of_before_is_named_beside_one_that_started_in_the_future[postgresql]",),
    ),
    Mutant(
        "claim-state",
        "only a job that is due is claimed",
        "P3, invariant 2: a running or finished job runs again",
        (
            Edit(
                JOBS, "            is_due(state_of_found),\n            one_of(Job.kind", "            one_of(Job.kind"
            ),
        ),
        (
            f"{CLAIMS}::test_only_what_is_open_and_due_is_claimed[sqlite]",
            f"{CLAIMS}::test_one_of_several_claimers_gets_the_job[sqlite]",
        ),
    ),
    Mutant(
        "claim-kinds",
        "a kind of job that this process does not know waits for a newer one",
        "P15: new work becomes a dead letter during an upgrade",
        (Edit(JOBS, 'one_of(Job.kind, "kinds"),', 'one_of(Job.kind, "kinds") | (Job.kind != ""),'),),
        (f"{CLAIMS}::test_a_kind_this_process_does_not_know_is_left_for_a_newer_one[sqlite]",),
    ),
    Mutant(
        "claim-pause",
        "paused work is not claimed",
        "an operator's pause has no effect",
        (Edit(JOBS, "        ~is_paused(),\n"),),
        (f"{CLAIMS}::test_what_is_paused_is_not_claimed[sqlite]",),
    ),
    Mutant(
        "claim-batch-order",
        "a row of a batch waits for the rows before it",
        "b.10: a later row takes the email of an earlier one",
        (Edit(JOBS, "        ~is_out_of_turn(),\n"),),
        (
            f"{CLAIMS}::test_a_row_waits_for_the_earlier_rows_of_its_batch[sqlite]",
            "tests/handlers/imports/test_batch_order.py::test_a_row_that_waits_for_the_quota_holds_the_later_ones_back[sqlite]",
        ),
    ),
    Mutant(
        "claim-frontier",
        "the order of a batch is one comparison with its first unresolved row",
        "invariant 8: a claim reads every pair of rows of the batch",
        (
            Edit(
                "portal_db/work/due.py",
                "func.coalesce(frontier < position, false())",
                "exists().where(_mine.id == Job.import_id, _earlier.batch_id == _mine.batch_id,"
                " _earlier.position < _mine.position, _earlier.resolved_at.is_(None))",
            ),
        ),
        (
            "tests/portal_db/work/test_claim_growth.py::test_a_claim_reads_as_much_in_a_big_batch_as_in_a_small_one[new postgresql]",
        ),
    ),
    Mutant(
        "claim-by-id",
        "jobs that a statement names by their ids are looked up by them",
        "invariant 8: without statistics a claim reads a whole index of open jobs",
        (
            Edit(
                "portal_db/work/due.py",
                "func.nullif(Job.state, literal_column(\"''\"), type_=Job.state.type)",
                "Job.state.expression",
            ),
        ),
        ("tests/portal_db/work/test_job_growth.py::test_finished_work_and_the_backlog_cost_nothing[new postgresql]",),
    ),
    Mutant(
        "import-lock-by-id",
        "imports whose jobs are about to run are found by these jobs, not by their states",
        "invariant 8: without statistics each claim of a set reads all open imports of a batch, and the jobs of each",
        (
            Edit(
                "portal_db/work/imports.py",
                "    import_state_of_found.in_((ImportState.ACCEPTED, ImportState.WAITING)),",
                "    Import.state.in_((ImportState.ACCEPTED, ImportState.WAITING)),",
            ),
        ),
        (BATCH_GROWTH,),
    ),
    Mutant(
        "earlier-imports-by-record",
        "earlier imports of a record are found by the record, and only checked for their practice",
        "invariant 8: without statistics each import of a batch reads all imports of its practice",
        (
            Edit(
                "portal_db/xero/requester.py",
                "confined(_earlier.practice_id, Import.practice_id)",
                "_earlier.practice_id == Import.practice_id",
            ),
        ),
        (BATCH_GROWTH,),
    ),
    Mutant(
        "emails-by-id",
        "welcome emails that are about to be written are found by their ids, and only checked for their practice",
        "invariant 8: without statistics each set of emails reads all clients of its practice",
        (
            Edit(
                "portal_db/welcome_emails.py",
                '        confined(Client.practice_id, bindparam("practice_id")),',
                '        Client.practice_id == bindparam("practice_id"),',
            ),
        ),
        (BATCH_GROWTH,),
    ),
    Mutant(
        "claims-by-email",
        "earlier rows of a batch that need an email are found by the email, and only checked for their practice",
        "invariant 8: without statistics each set of a batch reads all of the batch",
        (
            Edit(
                "portal_db/work/imports.py",
                """        one_of(Import.email_key, "email_keys"),
        confined(Import.practice_id, bindparam("practice_id")),
""",
                """        one_of(Import.email_key, "email_keys"),
        Import.practice_id == bindparam("practice_id"),
""",
            ),
        ),
        (BATCH_GROWTH,),
    ),
    Mutant(
        "same-record-by-record",
        "other open imports of a record are found by the record, not by their states",
        "invariant 8: without statistics each set of a batch reads all open imports",
        (
            Edit(
                "portal_db/work/in_use.py",
                "        import_state_of_found.in_(OPEN_IMPORT_STATES),",
                "        Import.state.in_(OPEN_IMPORT_STATES),",
            ),
        ),
        (BATCH_GROWTH,),
    ),
    Mutant(
        "own-emails-by-login",
        "whether an address is the practice's own is asked of the one login that has it",
        "invariant 8: each refused import reads all clients of its practice",
        (
            Edit(
                "portal_db/work/lookahead.py",
                "confined(Client.practice_id, practice_id)",
                "Client.practice_id == practice_id",
            ),
        ),
        (WHOLE_IMPORT,),
    ),
    Mutant(
        "links-by-client",
        "the links of clients to XPM are found by the clients, not by being live",
        "invariant 8: without statistics each import reads all links of all practices",
        (
            Edit(
                "portal_db/clients/relationships.py",
                "link_is_live_of_found = confined(XpmLink.disconnected_at, _NO_TIME)",
                "link_is_live_of_found = XpmLink.disconnected_at.is_(None)",
            ),
        ),
        (BATCH_GROWTH, PLANS, WHOLE_IMPORT),
    ),
    Mutant(
        "worker-by-index",
        "a worker's statements find rows by index, however few a table has at first",
        "invariant 8: a worker's connection keeps a plan that reads the whole table when it has many",
        (Edit("portal_db/database.py", '_BY_INDEX = {"enable_seqscan": "off"', '_BY_INDEX = {"enable_seqscan": "on"'),),
        (
            "tests/portal_db/work/test_batch_growth.py"
            "::test_a_worker_keeps_no_plan_that_reads_a_whole_table[new postgresql]",
        ),
    ),
    Mutant(
        "worker-plans-once",
        "a worker's statement is planned once, not each time that its list holds a single id",
        "invariant 8: PostgreSQL plans some statements anew for every import",
        (Edit("portal_db/database.py", '"plan_cache_mode": "force_generic_plan"', '"plan_cache_mode": "auto"'),),
        (PLANS,),
    ),
    Mutant(
        "live-connection-written-out",
        "which connections are live is written out, as in the index of the live ones",
        "invariant 8: a worker reads all connections of a practice for every import",
        (
            Edit(
                "portal_db/tables/xero.py",
                "XpmConnection.state != literal_column(\"'disconnected'\")",
                "XpmConnection.state != ConnectionState.DISCONNECTED",
            ),
        ),
        (PLANS,),
    ),
    Mutant(
        "requester-by-id",
        "who requested an import is found by id, and only checked for the practice",
        "invariant 8: without statistics a worker reads all staff of a practice for every import",
        (
            Edit(
                "portal_db/xero/requester.py",
                "and_(confined(Staff.practice_id, Practice.id), one_of(",
                "and_(Staff.practice_id == Practice.id, one_of(",
            ),
        ),
        (PLANS,),
    ),
    Mutant(
        "worker-asks-for-index",
        "worker processes ask for it",
        "invariant 8: a worker's connection keeps a plan that reads the whole table when it has many",
        (Edit("worker/process.py", "threads=threads, by_index=True)", "threads=threads)"),),
        ("tests/worker/test_processes.py::test_a_worker_finds_rows_by_index",),
    ),
    Mutant(
        "page-from-its-index",
        "a page of a list names a range of times, so that it is read from the index in its order",
        "invariant 8: without statistics each page reads and sorts the whole list",
        (
            Edit(
                "portal_db/paging.py",
                "    return at.between(datetime(1900, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))\n",
                "    return at.is_not(None)\n",
            ),
        ),
        (
            "tests/portal_db/work/test_job_growth.py::test_a_page_of_imports_reads_no_more_than_it_shows[new postgresql]",
        ),
    ),
    Mutant(
        "page-of-open-imports",
        "open imports are listed from an index that holds no others",
        "invariant 8: the list of open imports reads all that were ever finished",
        (
            Edit(
                "portal_db/work/import_list.py",
                "            statement = statement.where(import_is_open())",
                "            pass",
            ),
        ),
        ("tests/portal_db/work/test_job_growth.py::test_open_imports_are_listed_from_an_index_of_their_own",),
    ),
    Mutant(
        "ring-time-read-once",
        "the relay compares the times of rings with the time when its statement began",
        "invariant 8: each look reads every job that is under way",
        (
            Edit(
                "portal_db/types.py",
                "    return select(db_now(plus_seconds)).scalar_subquery()\n",
                "    return db_now(plus_seconds)\n",
            ),
        ),
        (
            "tests/portal_db/work/test_job_growth.py"
            "::test_a_look_reads_no_job_that_was_rung_of_practices_without_another[new postgresql]",
        ),
    ),
    Mutant(
        "claim-deadline",
        "a lease never starts longer than the hard deadline",
        "P16: a stuck job is kept past its deadline",
        (Edit(JOBS, 'Job.deadline_seconds < bindparam("lease_seconds")', "Job.deadline_seconds < 0"),),
        (f"{CLAIMS}::test_a_lease_never_begins_longer_than_the_deadline[sqlite]",),
    ),
)

LEASE = (
    Mutant(
        "succeed-token",
        "only the holder of the lease marks a job done",
        "P3, invariant 2: two workers write one job's effect",
        (Edit(JOBS, '    one_of(Job.lease_token, "tokens"),\n'),),
        (f"{LEASES}::test_a_stale_lease_writes_nothing[sqlite]",),
    ),
    Mutant(
        "succeed-token-in-one",
        "only the holder of the lease marks a job done, by the statement that PostgreSQL records its attempt with too",
        "P3, invariant 2: a job that another worker runs is done",
        (Edit(JOBS, ' Job.lease_token == given["token"], state_of_found', " state_of_found"),),
        (f"{LEASES}::test_a_job_that_is_not_held_does_not_succeed[postgresql]",),
    ),
    Mutant(
        "succeed-state",
        "only a running job is marked done",
        "invariant 1: a job ends twice",
        (Edit(JOBS, '"tokens"),\n    state_of_found == JobState.RUNNING,\n', '"tokens"),\n'),),
        (f"{LEASES}::test_a_job_ends_once[sqlite]",),
    ),
    Mutant(
        "finish-lease",
        "only the holder of the lease records a failure, a wait or a return",
        "P3: a late failure undoes what another worker did",
        (
            Edit(
                JOBS,
                "statement = update(Job).where(holds(lease)).values(**values",
                "statement = update(Job).where(Job.id == lease.job_id).values(**values",
            ),
        ),
        (f"{LEASES}::test_a_stale_lease_writes_nothing[sqlite]",),
    ),
    Mutant(
        "holds-token",
        "holding a lease means holding its token",
        "P3: an earlier holder of the job changes it",
        (Edit(JOBS, "Job.id == lease.job_id, Job.lease_token == lease.token, ", "Job.id == lease.job_id, "),),
        (f"{LEASES}::test_a_stale_lease_writes_nothing[sqlite]",),
    ),
    Mutant(
        "holds-state",
        "holding a lease means that the job is still running",
        "invariant 1: a job ends twice",
        (
            Edit(
                JOBS,
                "Job.lease_token == lease.token, state_of_found == JobState.RUNNING)",
                "Job.lease_token == lease.token)",
            ),
        ),
        (f"{LEASES}::test_a_job_ends_once[sqlite]",),
    ),
    Mutant(
        "take-back-expired",
        "only an expired lease is taken back",
        "P3: a busy worker is mistaken for a dead one",
        (
            Edit(
                JOBS,
                ".where(is_in(JobState.RUNNING), lease_is_void())",
                ".where(is_in(JobState.RUNNING))",
            ),
            Edit(JOBS, ".where(holds(lease), lease_is_void())", ".where(holds(lease))"),
        ),
        (f"{LEASES}::test_an_expired_lease_is_taken_back_and_its_attempt_kept[sqlite]",),
    ),
    Mutant(
        "take-back-looks-again",
        "a lease that was renewed since the relay's query is not taken back",
        "P3: a busy worker is mistaken for a dead one",
        (Edit(JOBS, ".where(holds(lease), lease_is_void())", ".where(holds(lease))"),),
        (f"{LEASES}::test_a_lease_renewed_between_the_look_and_the_taking_is_kept",),
    ),
    Mutant(
        "renew-deadline",
        "a lease is never renewed past the hard deadline",
        "P16: a job that hangs keeps its lease for ever",
        (
            Edit(
                JOBS,
                "(Job.deadline_at < _UNTIL, Job.deadline_at)",
                "(Job.deadline_at.is_(None), Job.deadline_at)",
            ),
        ),
        (f"{LEASES}::test_a_lease_is_never_renewed_past_the_hard_deadline[sqlite]",),
    ),
    Mutant(
        "renew-owner",
        "a process renews only its own leases",
        "P3: another process keeps a dead process's job alive",
        (
            Edit(
                JOBS,
                '_MINE = and_(Job.lease_owner == bindparam("owner"), is_in(JobState.RUNNING),',
                "_MINE = and_(is_in(JobState.RUNNING),",
            ),
        ),
        (f"{LEASES}::test_one_statement_renews_all_of_a_process_and_of_nobody_else[sqlite]",),
    ),
    Mutant(
        "renew-state",
        "only a running job's lease is renewed",
        "a finished job appears to be running",
        (Edit(JOBS, '== bindparam("owner"), is_in(JobState.RUNNING), ', '== bindparam("owner"), '),),
        (f"{LEASES}::test_a_finished_job_is_not_renewed[sqlite]",),
    ),
    Mutant(
        "cancel-except",
        "cancelling does not touch a job that may be sending an email",
        "invariant 3: a sent email is recorded as cancelled",
        (Edit(JOBS, "        Job.kind.not_in(tuple(except_kinds)),\n"),),
        (f"{LEASES}::test_cancelling_leaves_what_it_is_told_to_and_what_has_ended[sqlite]",),
    ),
    Mutant(
        "deadlock-again",
        "an operator's or staff member's act is repeated when PostgreSQL ends it as a deadlock victim",
        "a correction is lost, and its author reads that the database cannot be used",
        (
            Edit(
                "portal_db/database.py",
                "retry=retry_if_exception(_is_lock_conflict),",
                "retry=retry_if_exception(lambda _: False),",
            ),
        ),
        ("tests/handlers/imports/test_deadlocks.py::test_it_is_done_once_all_the_same[_requeue]",),
    ),
    Mutant(
        "requeue-state",
        "only a dead letter is requeued, and once",
        "invariant 2: two operators requeue it twice",
        (Edit(JOBS, "is_dead = (Job.id == job_id, Job.state == JobState.DEAD)", "is_dead = (Job.id == job_id,)"),),
        (f"{CLAIMS}::test_a_dead_job_comes_back_once[sqlite]",),
    ),
    Mutant(
        "lease-lost-twice",
        "a lease is reported as lost when two renewals in a row have missed it",
        "false alarms about jobs that have just ended",
        (Edit("worker/runner/leases.py", "lost, self._missed = missed & self._missed, missed", "lost = missed"),),
        (f"{LEASES}::test_a_job_that_has_just_ended_is_not_reported_as_lost_and_one_that_was_taken_back_is[sqlite]",),
    ),
    Mutant(
        "requeue-behind-people",
        "dead letters that are requeued with others become background work",
        "a person's new import waits for a thousand old ones",
        (
            Edit(
                JOBS,
                '{} if background is None else {"lane": background, "interactive": False}',
                "{}",
            ),
        ),
        (
            "tests/handlers/operations/test_dead_letters.py::"
            "test_one_of_many_that_are_requeued_goes_behind_the_work_that_people_wait_for",
            "tests/worker/cli/test_dead.py::test_a_group_is_requeued_in_turn",
        ),
    ),
    Mutant(
        "requeue-many-is-background",
        "several dead letters that are requeued by one act go into the background",
        "a person's new import waits for a thousand old ones",
        (Edit("handlers/operations/bulk.py", "in_background=True", "in_background=False"),),
        ("tests/worker/cli/test_dead.py::test_a_group_is_requeued_in_turn",),
    ),
    Mutant(
        "leader-lease",
        "one relay leads until its lease has expired",
        "two relays ring everything twice",
        (
            Edit(
                "portal_db/work/leaders.py",
                "(Leader.role == role, or_(Leader.owner == owner, ~is_valid()))",
                "(Leader.role == role,)",
            ),
        ),
        (
            "tests/worker/leader/test_relay_outages.py::test_one_of_two_leads_and_the_other_takes_over_when_it_dies[sqlite]",
        ),
    ),
    Mutant(
        "import-row-lock",
        "a job's end locks its import first",
        "invariant 1: each of two last jobs sees the other as running, and nothing closes the import",
        (Edit("portal_db/work/imports.py", ".with_for_update(of=(Import, Job))", ".with_for_update(of=Job)"),),
        ("tests/worker/runner/test_last_jobs.py::test_of_two_last_jobs_one_closes_the_import[postgresql-False]",),
    ),
    Mutant(
        "take-back-step-by-step",
        "a look for expired leases leaves no dead entries in the index of running jobs",
        "invariant 8: each look reads all jobs that ran since the last vacuum, which comes after a fifth of all there ever were",
        (Edit(JOBS, "        tx.session.execute(_STEP_BY_STEP)\n", "        pass\n"),),
        (
            "tests/portal_db/work/test_job_growth.py"
            "::test_leases_are_taken_back_without_reading_jobs_that_ran_since_the_last_vacuum[new postgresql]",
        ),
    ),
    Mutant(
        "take-back-locked",
        "an expired job that a stopped process has locked does not delay the others",
        "P3: a stopped process delays the work of every worker",
        (Edit(JOBS, "        .with_for_update(skip_locked=True)\n    )\n", "        .with_for_update()\n    )\n"),),
        (f"{LEASES}::test_a_job_that_a_stopped_process_has_locked_does_not_delay_the_others[postgresql]",),
    ),
    Mutant(
        "renew-locked",
        "a job that is being finished does not delay the renewal of other leases",
        "P3: a busy worker loses its leases while one of its transactions takes long",
        (
            Edit(
                JOBS,
                "select(Job.id).where(_MINE).with_for_update(skip_locked=True)",
                "select(Job.id).where(_MINE).with_for_update()",
            ),
        ),
        (f"{LEASES}::test_a_job_that_is_being_finished_does_not_delay_the_renewal_of_others[postgresql]",),
    ),
    Mutant(
        "lock-timeout",
        "no statement waits for a lock as long as an idle transaction may hold one",
        "P3: transactions of a stopped process get a lock in turn, and each holds it for its whole idle time",
        (Edit("portal_db/database.py", '    "lock_timeout": f"{LOCK_SECONDS}s",\n', ""),),
        (f"{TRANSACTIONS}::test_a_stopped_process_whose_transactions_wait_for_each_other_ends_them_together",),
    ),
    Mutant(
        "no-jit",
        "PostgreSQL compiles none of our statements before it runs them",
        "with a million finished jobs a look of the relay takes half a second",
        (Edit("portal_db/database.py", '    "jit": "off",\n', ""),),
        (f"{POOLER_TESTS}::test_a_direct_connection_sends_no_statement_more",),
    ),
    Mutant(
        "durable-commits",
        "commits are durable whatever the database's own setting is",
        "invariant 3: a crash takes back that an email was about to be sent, and it is sent again",
        (Edit("portal_db/database.py", '    "synchronous_commit": "on",\n', ""),),
        (f"{POOLER_TESTS}::test_commits_are_durable_whatever_the_database_s_own_setting_is",),
    ),
    Mutant(
        "pooler-prepares",
        "behind a pooler nothing is prepared",
        "prepared statements collide, and jobs become dead letters",
        (Edit(POOLER, "            connection.prepare_threshold = None\n", ""),),
        (f"{POOLER_TESTS}::test_statements_that_are_repeated_do_not_collide",),
    ),
    Mutant(
        "pooler-refuses",
        "a pooler that refuses a connection's settings is connected to without them",
        "behind PgBouncer no process can use the database",
        (Edit(POOLER, "if _REFUSAL not in str(error):", "if True:"),),
        (f"{POOLER_TESTS}::test_settings_that_the_pooler_refuses_hold_in_each_transaction",),
    ),
    Mutant(
        "pooler-timeouts",
        "behind a pooler each transaction sets the timeouts that its connection does not have",
        "P3: a stopped process holds its locks for ever",
        (Edit(POOLER, "record.info[_SET_LOCALLY] = not hold", "record.info[_SET_LOCALLY] = False"),),
        (f"{POOLER_TESTS}::test_settings_that_the_pooler_ignores_hold_in_each_transaction",),
    ),
    Mutant(
        "pooler-begin",
        "an engine begins to set the timeouts once a connection has turned out not to have them",
        "P3: a stopped process holds its locks for ever",
        (Edit(POOLER, 'if not hold and not event.contains(engine, "begin", self._begin)', "if False"),),
        (f"{POOLER_TESTS}::test_settings_that_the_pooler_ignores_hold_in_each_transaction",),
    ),
    Mutant(
        "pooler-single",
        "behind a pooler a single statement is a transaction, which says that its commit is durable",
        "invariant 3: a commit that a crash takes back would have an email sent twice",
        (
            Edit(
                "portal_db/database.py",
                "                if keeps_settings(session.connection()):\n",
                "                if True:\n",
            ),
        ),
        (f"{POOLER_TESTS}::test_settings_that_the_pooler_ignores_hold_in_each_transaction",),
    ),
    Mutant(
        "null-in-list",
        "a list of ids or texts that we send ourselves keeps its NULLs",
        "a change of a client's field from nothing is recorded as one from an empty text",
        (Edit("portal_db/driver.py", "data.append(_NULL)", "data.append(_LENGTH.pack(0))"),),
        ("tests/portal_db/test_driver.py::test_a_list_arrives_as_it_is_and_as_psycopg_sends_it",),
    ),
    Mutant(
        "lock-again",
        "an act that did not get a lock in time is repeated",
        "an operator's command fails because another transaction took a few seconds",
        (Edit("portal_db/database.py", "in (_DEADLOCK, _LOCKED)", "== _DEADLOCK"),),
        (f"{TRANSACTIONS}::test_a_lock_that_was_not_free_in_time_is_asked_for_again[postgresql]",),
    ),
)


MUTANTS = (*CLAIMING, *LEASE)
