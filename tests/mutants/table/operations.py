"""Guards of what operators do: acts on many dead letters, and the console."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant

ACTS = "portal_db/work/bulk_acts.py"
POSTED = "web/console/operator.py"
SIGNING_IN = "tests/web/console/test_signing_in.py"
BULK = "tests/handlers/operations/test_bulk.py"
DEAD_ONLY = "test_a_selection_is_of_dead_letters_only"
CONSOLE_DEAD = "tests/web/console/test_dead.py"
PERSONAL_DATA = "portal_db/upkeep/personal_data.py"
ERASE = "tests/handlers/operations/test_erase.py"
BULK_COMMANDS = "worker/cli/operations/bulk_acts.py"
CLI = "tests/worker/cli"

MUTANTS = (
    Mutant(
        "bulk-counted-while-running",
        "a dead letter is acted on in the transaction that counts it, while the act runs",
        "an act goes on after an operator stopped it",
        (
            Edit(
                ACTS,
                "runs = (BulkAct.id == bulk_id, BulkAct.state == BulkState.RUNNING)\n    return bool(update_rows(tx, BulkAct, *runs, done=",
                "runs = (BulkAct.id == bulk_id,)\n    return bool(update_rows(tx, BulkAct, *runs, done=",
            ),
        ),
        (f"{BULK}::test_a_stop_counts_also_in_the_middle_of_a_piece[sqlite]",),
    ),
    Mutant(
        "bulk-claimed",
        "a piece of an act is carried out by one process at a time, until its claim has run out",
        "the leader carries out what the command line carries out",
        (
            Edit(
                ACTS,
                "BulkAct.state == BulkState.RUNNING, has_ended(BulkAct.claimed_until, CLAIM_SECONDS)",
                "BulkAct.state == BulkState.RUNNING",
            ),
        ),
        (f"{BULK}::test_the_leader_carries_acts_out_and_one_whose_process_died_goes_on",),
    ),
    Mutant(
        "bulk-pace",
        "the leader takes on what has its turn within seconds",
        "an act with a pace requeues everything at once, and a stop comes too late",
        (Edit(ACTS, "else [_is_free(), _has_turn(ahead_seconds)]", "else [_is_free()]"),),
        (f"{BULK}::test_an_act_with_a_pace_takes_on_a_minutes_worth_at_a_time",),
    ),
    Mutant(
        "bulk-ages",
        "ages count from the start of an act",
        "dead letters that nobody saw in the preview are acted on",
        (Edit("handlers/operations/bulk.py", "older = {name: age + elapsed for", "older = {name: age for"),),
        (f"{BULK}::test_ages_count_from_the_start_of_an_act",),
    ),
    Mutant(
        "batch-cut-off",
        "a command whose batch is cut off says that part of it is recorded, and how to go on",
        "another run makes a second batch, whose rows are rejected because of the first, which stays open for ever",
        (
            Edit(
                "worker/cli/imports/add.py",
                "        except (KeyboardInterrupt, *DATABASE_AWAY):\n",
                "        except ():\n",
            ),
        ),
        (
            f"{CLI}/test_import_file.py::test_a_batch_that_was_cut_off_goes_on_under_its_key[the database restarts]",
            f"{CLI}/test_import_file.py::test_a_batch_that_was_cut_off_goes_on_under_its_key[Ctrl-C]",
        ),
    ),
    Mutant(
        "bulk-stopped-fails",
        "a command whose act was stopped by somebody else says how far it came, and fails",
        "an operator takes half of the dead letters for all",
        (Edit(BULK_COMMANDS, "return outcomes, _is_stopped(database, row.id)", "return outcomes, False"),),
        (f"{CLI}/test_dead.py::test_an_act_that_somebody_else_stops_does_not_end_as_done",),
    ),
    Mutant(
        "bulk-interrupted-counts",
        "a command that is interrupted says how far it came as the record has it",
        "up to 99 dead letters are dismissed for good, and the operator reads of none",
        (
            Edit(
                BULK_COMMANDS,
                "        _is_stopped(database, row.id)\n        raise\n",
                '        note(f"Stopped after {len(outcomes.done)}.")\n        raise\n',
            ),
        ),
        (f"{CLI}/test_dead.py::test_an_act_that_is_interrupted_counts_what_it_did",),
    ),
    Mutant(
        "cancel-refused-fails",
        "cancelling a batch fails if an import of it was refused",
        "a script takes imports that go on for cancelled ones",
        (
            Edit(
                "worker/cli/imports/manage.py",
                "    if outcomes.refused:\n        raise typer.Exit(ExitCode.FAILED)\n",
            ),
        ),
        (f"{CLI}/test_operations.py::test_what_a_batch_did_not_let_cancel_is_listed_and_no_success",),
    ),
    Mutant(
        "disconnect-asks",
        "the command that disconnects XPM asks first",
        "a mistyped id has a practice's waiting imports rejected and its consent ended",
        (Edit("worker/cli/practices/connections.py", "            yes=yes,\n", "            yes=True,\n"),),
        (f"{CLI}/test_connections.py::test_disconnecting_asks_first_and_names_who_did_it",),
    ),
    Mutant(
        "disconnect-names-whom",
        "a command that ends somebody's connection names the person before it asks, to nobody but who is asked",
        "an id that was copied from the wrong line ends a colleague's connection",
        (
            Edit(
                "worker/cli/practices/connections.py",
                "            about=disconnection.owner(record.database, connection),\n",
                "",
            ),
        ),
        (f"{CLI}/test_connections.py::test_disconnecting_asks_first_and_names_who_did_it",),
    ),
    Mutant(
        "disconnect-names-who",
        "the audit trail says which operator disconnected XPM, and why",
        "nobody knows who ended a practice's consent",
        (Edit("handlers/integration/disconnect.py", "    by.audit(\n", "    Actor(None).audit(\n"),),
        (f"{CLI}/test_connections.py::test_disconnecting_asks_first_and_names_who_did_it",),
    ),
    Mutant(
        "leave-asks",
        "the command that records that somebody has left asks first",
        "a mistyped id signs a staff member out for good",
        (Edit("worker/cli/practices/handover.py", "            yes=yes,\n", "            yes=True,\n"),),
        (f"{CLI}/test_schedule.py::test_somebody_leaves_and_a_colleague_takes_their_clients_on",),
    ),
    Mutant(
        "erase-shows-first",
        "an erasure that asks shows what it erases, for scripts too",
        "somebody answers yes to the erasure of a person whom they did not see named",
        (Edit("worker/cli/operations/erase.py", "if not as_json or not (yes or dry_run):", "if not as_json:"),),
        (f"{CLI}/test_setup.py::test_a_person_is_erased_after_a_yes",),
    ),
    Mutant(
        "password-prompt-hides",
        "a password that is typed at a prompt is not shown",
        "whoever looks at the operator's screen has a staff member's password",
        (Edit("worker/cli/practices/people.py", "hide_input=True", "hide_input=False"),),
        (f"{CLI}/test_access.py::test_a_password_is_typed_at_a_prompt_that_does_not_show_it",),
    ),
    Mutant(
        "bulk-as-shown",
        "an act begins only on as many dead letters as the operator was shown",
        "of a preview of three, nine hundred are dismissed",
        (Edit("handlers/operations/bulk.py", "        if total != shown:", "        if total < shown:"),),
        (
            f"{BULK}::test_nothing_begins_when_more_have_died_since_they_were_counted[sqlite]",
            f"{CONSOLE_DEAD}::test_no_more_are_ended_than_the_preview_showed",
        ),
    ),
    Mutant(
        "bulk-of-dead-letters",
        "a query of dead letters stays one of dead letters",
        "a preview of waiting jobs, which dismisses every dead letter of every practice",
        (
            Edit(
                "handlers/operations/job_query.py",
                "            if only_dead and not base.only_dead:",
                "            if False:",
            ),
        ),
        (f"{BULK}::{DEAD_ONLY}", f"{CONSOLE_DEAD}::test_jobs_in_another_state_are_neither_previewed_nor_acted_on"),
    ),
    Mutant(
        "bulk-selection-of-dead-letters",
        "a selection that an act is stored with is of dead letters",
        "an act is about every dead letter, since the states it was made with are not stored",
        (Edit("handlers/operations/bulk.py", "        if not self.which.only_dead:", "        if False:"),),
        (f"{BULK}::{DEAD_ONLY}",),
    ),
    Mutant(
        "console-role",
        "a form of the console is refused to an operator whose role may not send it",
        "a watcher requeues and dismisses by hand-made requests",
        (Edit(POSTED, "            operator_roles.require(operator.caller.role, act)", "            pass"),),
        ("tests/web/console/test_roles.py::test_each_role_may_do_what_the_table_says",),
    ),
    Mutant(
        "console-csrf",
        "a form of the console carries the session's token",
        "another site acts in an operator's name",
        (Edit(POSTED, "        require_csrf_token(operator.session, text(form, CSRF_FIELD))", "        pass"),),
        (f"{SIGNING_IN}::test_a_form_needs_the_sessions_token_and_our_own_page",),
    ),
    Mutant(
        "console-left",
        "the session of an operator who has left is worth nothing",
        "somebody who was dismissed goes on operating",
        (
            Edit(
                "portal_db/access/operators.py",
                '.where(_is_live(bindparam("token_hash")), Operator.left_at.is_(None))',
                '.where(_is_live(bindparam("token_hash")))',
            ),
            Edit(
                "handlers/access/operators.py",
                "        operators.leave(tx, operator_id)\n        credentials.end_sessions_of_login(tx, found.login.id)",
                "        operators.leave(tx, operator_id)",
            ),
        ),
        (f"{SIGNING_IN}::test_wrong_passwords_and_strangers_stay_out",),
    ),
    Mutant(
        "console-idle",
        "a session at the console ends when it is not used",
        "an operator's unattended browser stays open",
        (Edit("portal_db/access/operators.py", "OperatorSession.idle_until > db_now(), ", ""),),
        (f"{SIGNING_IN}::test_a_session_ends_when_idle_and_at_sign_out",),
    ),
    Mutant(
        "console-recent-code",
        "acts on many and dismissals need a code that was given recently",
        "whoever finds an operator's browser open dismisses everything",
        (Edit(POSTED, "        if self.operator.caller.is_fresh:", "        if True:"),),
        ("tests/web/console/test_dead.py::test_selected_ones_are_dismissed_once_a_recent_code_is_there",),
    ),
    Mutant(
        "console-reveal-audited",
        "who shows personal data is in the audit trail",
        "operators read clients' data, and nobody can say who",
        (
            Edit(
                "handlers/operations/searches.py",
                '        act.audit(tx, "import.reveal", "import", row.id, row.practice_id)\n',
                "",
            ),
        ),
        (
            "tests/web/console/test_dead.py::test_an_import_is_corrected_and_requeued_and_personal_data_is_hidden_until_somebody_looks",
        ),
    ),
    Mutant(
        "console-open-by-index",
        "open jobs are found by the indexes that hold only them",
        "the console reads every finished job to list the open ones",
        (Edit("portal_db/work/job_search.py", "                found.append(is_open())", "                pass"),),
        (
            "tests/portal_db/work/test_console_growth.py::test_no_page_reads_more_with_more_finished_work[new postgresql]",
        ),
    ),
    Mutant(
        "console-one-look",
        "browsers that watch the console share one look",
        "the record is read once a second for each open window, all night",
        (
            Edit(
                "web/console/look.py",
                "if last is None or age >= STALE * last[2]:",
                "if True:",
            ),
        ),
        ("tests/web/console/test_pages.py::test_everybody_who_watches_shares_one_look[quick]",),
    ),
    Mutant(
        "console-look-share",
        "looks for those who watch the console take a small share of the time",
        "with many open jobs, watching slows down the imports that are watched",
        (Edit("web/console/look.py", "max(SECONDS, (self.monotonic() - began) / SHARE)", "SECONDS"),),
        ("tests/web/console/test_pages.py::test_everybody_who_watches_shares_one_look[slow]",),
    ),
    Mutant(
        "console-watching-is-no-use",
        "a page that renews itself keeps no session from timing out",
        "a console that somebody left open is signed in all night",
        (Edit("handlers/access/operators.py", "if found.is_due and is_use:", "if found.is_due:"),),
        ("tests/web/console/test_pages.py::test_a_page_that_renews_itself_keeps_no_session_from_timing_out",),
    ),
    Mutant(
        "schedules-all-or-none",
        "schedules are paused together or not at all",
        "some of the chosen schedules are paused, and nobody knows which",
        (
            Edit(
                "handlers/schedule/control.py",
                "    with database.write() as tx:\n        for name in sorted(names):\n            if not schedules.pause(",
                "    for name in sorted(names):\n        with database.write() as tx:\n            if not schedules.pause(",
            ),
        ),
        ("tests/web/console/test_inbox.py::test_schedules_are_paused_and_resumed_together_or_not_at_all",),
    ),
    Mutant(
        "erase-wrong-link",
        "a privacy request does not reach the record of another client by a link that was undone",
        "b.36: a wrong link, undone long ago, has another client erased",
        (
            Edit(
                PERSONAL_DATA,
                "{record for record in touched if (linked.get(record) or made.get(record, set())) <= client_ids}",
                "touched",
            ),
        ),
        (
            f"{ERASE}::test_a_wrong_link_that_was_undone_leads_to_nobody_else[sqlite-link]",
            f"{ERASE}::test_a_wrong_link_that_was_undone_leads_to_nobody_else[sqlite-import of items]",
            f"{ERASE}::test_nor_does_it_from_the_client_whom_it_made[sqlite]",
        ),
    ),
    Mutant(
        "erase-former-user",
        "a privacy request reaches what a former Xero user of a connection saw",
        "the person's record stays in a directory that nobody reads any more",
        (Edit(PERSONAL_DATA, ".in_(union(read, former))", ".in_(read)"),),
        (f"{ERASE}::test_what_a_former_xero_user_of_the_connection_saw_is_erased_too[sqlite]",),
    ),
    Mutant(
        "erase-former-users-only",
        "a privacy request leaves what another practice's Xero user sees in the same tenant",
        "invariant 6: one practice's request empties another's directory",
        (Edit(PERSONAL_DATA, "        ~exists().where(same_directory(XpmConnection, Directory)),\n"),),
        (f"{ERASE}::test_what_a_former_xero_user_of_the_connection_saw_is_erased_too[sqlite]",),
    ),
    Mutant(
        "erase-made-from",
        "a record that no client is linked to belongs to the clients whom an import made from it",
        "b.36: a wrong link, undone long ago, has a disconnected client's record erased, and the client with it",
        (Edit(PERSONAL_DATA, "(linked.get(record) or made.get(record, set()))", "linked.get(record, set())"),),
        (f"{ERASE}::test_a_record_whose_client_was_disconnected_is_still_theirs[sqlite]",),
    ),
    Mutant(
        "erase-past-link",
        "a privacy request reaches a record that the client is no longer linked to, if it is nobody else's",
        "a disconnected person's own data stays",
        (Edit(PERSONAL_DATA, " <= client_ids}", " & client_ids}"),),
        (f"{ERASE}::test_an_own_past_link_still_leads_to_the_record[sqlite]",),
    ),
    Mutant(
        "erase-wrong-import",
        "a client who was made from a wrong record is not erased with that record's person once linked to another one",
        "b.36: a wrong import, undone long ago, has another client erased",
        (Edit(PERSONAL_DATA, "xpm_uuid.in_(xpm_uuids), ~has_link)", "xpm_uuid.in_(xpm_uuids))"),),
        (f"{ERASE}::test_a_wrong_import_that_was_undone_leads_to_nobody_else[sqlite]",),
    ),
    Mutant(
        "erase-wrong-import-names",
        "a privacy request does not scrub the name and email of another client who was made from the person's record",
        "another client's name vanishes from the audit trail",
        (
            Edit(
                "handlers/operations/erase.py",
                "        if row.client_id is None or row.client_id in found.client_ids:",
                "        if True:",
            ),
        ),
        (f"{ERASE}::test_a_wrong_import_that_was_undone_leads_to_nobody_else[sqlite]",),
    ),
    Mutant(
        "restore-ends-access",
        "after a restore no session and no link of the backup is left",
        "whoever was signed out or got a new password since the backup is signed in again",
        (Edit("handlers/operations/restore.py", "        restores.end_access(tx)\n"),),
        ("tests/handlers/operations/test_restore.py::test_no_access_that_the_backup_has_is_left[sqlite]",),
    ),
    Mutant(
        "interrupt-not-dropped",
        "a stop signal that comes while an object is destroyed is repeated",
        "Ctrl-C stops neither demo nor portal, then or later",
        (Edit("worker/local/running.py", "if isinstance(dropped.exc_value, KeyboardInterrupt):", "if False:"),),
        (
            "tests/worker/local/test_running.py::"
            "test_a_stop_signal_that_comes_while_an_object_is_destroyed_interrupts[2]",
        ),
    ),
    Mutant(
        "interrupted-start",
        "no interruption comes between the start of a process and its entry among those to stop",
        "an interrupted demo says that everything was stopped while a process still runs",
        (Edit("worker/local/processes.py", "with _undivided(), log_file", "with log_file"),),
        (
            "tests/worker/local/test_processes.py"
            "::test_an_interruption_between_the_start_of_a_process_and_its_entry_leaves_nothing_running",
        ),
    ),
)
