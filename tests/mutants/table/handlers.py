"""Guards of the use cases: what may be imported, what is written, and the email that is sent once (handlers)."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant

SENDING = "handlers/imports/send_welcome_email.py"
EMAILS = "portal_db/welcome_emails.py"
VALIDATE = "handlers/imports/validate.py"
CONNECTIONS = "handlers/xero/connection.py"
FAILURES = "worker/runner/failures.py"
WELCOME = "tests/handlers/imports/test_send_welcome_email.py"
INTENTS = "tests/portal_db/test_intents.py"
CREATION = "tests/handlers/imports/test_create.py"
LIVE_OF_FOUND = "link_is_live_of_found = confined(XpmLink.disconnected_at, _NO_TIME)"
RELATIONSHIPS = "tests/handlers/imports/test_relationships.py"
DETAILS = "tests/handlers/imports/test_details.py"
VALIDATION = "tests/handlers/imports/test_validate.py"
BATCH_ORDER = "tests/handlers/imports/test_batch_order.py"
REQUESTS = "tests/handlers/imports/test_accept.py"
ERRORS = "tests/worker/runner/test_errors.py"
AMEND = "handlers/imports/amend.py"
AMENDING = "tests/handlers/imports/test_amend.py"
RESEND = "handlers/imports/welcome_email.py"
RESTORING = "tests/handlers/operations/test_restore.py"

EMAIL = (
    Mutant(
        "email-intent-once",
        "sending begins only for a pending email",
        "invariant 3: a worker that was suspended sends a second email",
        (
            Edit(
                EMAILS,
                "        or_(WelcomeEmail.state == EmailState.PENDING, _IS_OURS),\n",
                "",
            ),
        ),
        (f"{INTENTS}::test_an_email_is_begun_once[sqlite]",),
    ),
    Mutant(
        "email-intent-held",
        "a job that was cancelled or taken back begins no email",
        "invariant 3: a worker that was suspended sends a second email",
        (Edit(EMAILS, "        IS_HELD,\n"),),
        (f"{INTENTS}::test_a_job_that_is_not_held_any_more_begins_nothing[sqlite]",),
    ),
    Mutant(
        "email-intent-first",
        "the intent is committed before the email is sent",
        "invariant 3: a crash after sending leaves no trace, and it is sent again",
        (
            Edit(
                SENDING,
                "letter is None or welcome_emails.begin_sending(",
                "True or welcome_emails.begin_sending(",
            ),
        ),
        (f"{WELCOME}::test_a_worker_killed_while_sending[sqlite-after sending]",),
    ),
    Mutant(
        "email-found-sending",
        "an intent that is found at claim makes the email unknown",
        "invariant 3: it is sent again",
        (
            Edit(
                SENDING,
                "        case EmailState.SENDING | EmailState.UNKNOWN:\n            return _unknown()\n"
                "        case EmailState.PENDING if",
                "        case EmailState.PENDING | EmailState.SENDING if",
            ),
            Edit(
                EMAILS,
                "or_(WelcomeEmail.state == EmailState.PENDING, _IS_OURS)",
                "WelcomeEmail.state.in_((EmailState.PENDING, EmailState.SENDING))",
            ),
        ),
        (
            f"{WELCOME}::test_a_worker_killed_while_sending[sqlite-after sending]",
            f"{WELCOME}::test_a_worker_killed_while_sending[sqlite-before sending]",
        ),
    ),
    Mutant(
        "email-taken-back",
        "an intent is withdrawn only if the mail server certainly did not accept the email",
        "invariant 3: a failure after the server accepted it sends it again",
        (
            Edit(
                SENDING,
                "        case _:\n            pass\n",
                "        case _:\n            welcome_emails.finish_sending(tx, intent, EmailState.PENDING)\n",
            ),
        ),
        (f"{WELCOME}::test_a_message_that_went_out_but_could_not_be_written_down[sqlite-database]",),
    ),
    Mutant(
        "email-bug-unknown",
        "a bug between intent and answer leaves the outcome unknown",
        "invariant 3: an email that may have been sent stays in `sending`, shown to nobody",
        (Edit(SENDING, "case ErrorClass.UNKNOWN | ErrorClass.PERMANENT:", "case ErrorClass.UNKNOWN:"),),
        (f"{WELCOME}::test_a_message_that_went_out_but_could_not_be_written_down[sqlite-bug]",),
    ),
    Mutant(
        "email-sent-meanwhile",
        "who finds an intent steps aside if the email is recorded as sent before its own record",
        "an email that was sent is shown as unknown, and a person is asked for nothing",
        (
            Edit(
                SENDING,
                "if state is EmailState.SENT and failure.error_class is ErrorClass.UNKNOWN:",
                "if False:",
            ),
        ),
        (f"{WELCOME}::test_who_finds_an_intent_steps_aside_if_the_email_is_recorded_as_sent_first[sqlite]",),
    ),
    Mutant(
        "email-aside-back",
        "a job whose work another attempt has done goes back to the queue at once",
        "it waits until its lease has run out, and counts as one that killed its worker",
        (
            Edit(
                "worker/runner/runner.py",
                "            self._give_back([job])  # still ours if",
                "            pass  # if",
            ),
        ),
        (f"{WELCOME}::test_who_finds_an_intent_steps_aside_if_the_email_is_recorded_as_sent_first[sqlite]",),
    ),
    Mutant(
        "email-silence",
        "no answer after DATA is an unknown outcome",
        "invariant 3: an email that the server may have accepted is sent again",
        (
            Edit(
                "handlers/email/smtp.py",
                "            raise _unknown() from silence\n",
                "            raise _refused_us() from silence\n",
            ),
        ),
        (
            "tests/handlers/email/test_smtp.py::test_without_a_clear_answer_to_the_message_nobody_knows[one by one-drop]",
            f"{WELCOME}::test_a_server_that_goes_silent_after_the_message[sqlite-delivered]",
        ),
    ),
    Mutant(
        "email-own-intent",
        "an intent is ended by the lease that began it",
        "invariant 3: a late worker withdraws another's intent",
        (Edit(EMAILS, ".where(_IS_EMAIL, _IS_OURS)", ".where(_IS_EMAIL, WelcomeEmail.state == EmailState.SENDING)"),),
        (f"{INTENTS}::test_an_intent_is_ended_by_its_own_lease[sqlite]",),
    ),
    Mutant(
        "notice-own-intent",
        "a reconnect notice's intent is ended by the lease that began it",
        "a late worker withdraws another's intent",
        (
            Edit(
                "portal_db/xero/reconnect_notices.py",
                "*is_in_state, is_ours, **values",
                "*is_in_state, **values",
            ),
        ),
        (f"{INTENTS}::test_a_notices_intent_is_ended_by_its_own_lease[sqlite]",),
    ),
    Mutant(
        "notice-once",
        "sending begins only for a pending notice",
        "one break is reported twice",
        (
            Edit(
                "portal_db/xero/reconnect_notices.py",
                "(ReconnectNotice.id == notice_id, ReconnectNotice.state == before)",
                "(ReconnectNotice.id == notice_id,)",
            ),
        ),
        (f"{INTENTS}::test_a_notice_is_begun_once[sqlite]",),
    ),
    Mutant(
        "activation-version",
        "each version of an email has its own activation token",
        "b.6: an old link activates an account again",
        (
            Edit(
                "handlers/access/activation.py",
                'f"{email_id}.{version}".encode(), hashlib',
                'f"{email_id}".encode(), hashlib',
            ),
        ),
        (f"{WELCOME}::test_another_version_or_another_key_makes_another_token",),
    ),
    Mutant(
        "activation-hash",
        "only the hash of an activation token is stored",
        "b.6: anyone who reads the database can activate accounts",
        (Edit(SENDING, "addressed.address, hashed(token))", "addressed.address, token)"),),
        (f"{WELCOME}::test_the_token_is_derived_and_only_its_hash_is_stored[sqlite]",),
    ),
)

AGAIN = (
    Mutant(
        "amend-after-retention",
        "a rejected import is amended also after its jobs were deleted",
        "correcting it crashes after 90 days",
        (Edit(AMEND, "    if not earlier:  # housekeeping", "    if False:  # housekeeping"),),
        (f"{AMENDING}::test_a_rejected_import_is_amended_after_its_jobs_were_deleted",),
    ),
    Mutant(
        "amend-email-of-deleted-job",
        "whether an email failed is decided by its state where its jobs were deleted",
        "a corrected address never gets the email",
        (Edit(AMEND, "        return email.state is EmailState.REFUSED\n", "        return False\n"),),
        (f"{AMENDING}::test_a_refused_email_is_sent_to_the_new_address_after_its_job_was_deleted[sqlite]",),
    ),
    Mutant(
        "state-of-deleted-jobs",
        "an import whose jobs were deleted keeps its state when a person decides about it",
        "it closes again, as succeeded",
        (Edit("handlers/imports/reopen.py", "    if not all_jobs:\n", "    if False:\n"),),
        (f"{AMENDING}::test_an_import_whose_jobs_were_deleted_keeps_its_state",),
    ),
    Mutant(
        "amend-without-email",
        "the email of a client that exists cannot be emptied",
        "the request crashes",
        (Edit(AMEND, '    if changed["email"] is None:\n', "    if False:\n"),),
        (f"{AMENDING}::test_the_email_of_a_client_that_exists_is_not_taken_away[sqlite]",),
    ),
    Mutant(
        "resend-one-job",
        "an email whose job is queued is resent by that job",
        "invariant 3: two jobs send one email, and one that was delivered becomes unknown",
        (Edit(RESEND, "    if not still_open:\n", "    if True:\n"),),
        (f"{RESTORING}::test_an_email_that_is_resent_before_work_goes_on_leaves_once[sqlite]",),
    ),
    Mutant(
        "resend-not-while-running",
        "an email is not resent while its job runs",
        "invariant 3: the job, which has read the old version, sends it, or leaves the new one unsent",
        (Edit(RESEND, "    if any(job.state is JobState.RUNNING for job in still_open):", "    if False:"),),
        (f"{RESTORING}::test_an_email_whose_job_is_running_is_not_resent[sqlite]",),
    ),
)

VALIDATING = (
    Mutant(
        "failed-formula",
        "a cell of a batch whose formula failed is refused",
        "a client is named, and greeted as, #N/A",
        (Edit("handlers/imports/batch_rows.py", "        elif failed is not None:\n", "        elif False:\n"),),
        (
            "tests/handlers/imports/test_batch_file.py::test_a_cell_whose_formula_failed_is_no_name[excel]",
            "tests/handlers/imports/test_batch_file.py::test_a_cell_whose_formula_failed_is_no_name[csv]",
        ),
    ),
    Mutant(
        "first-open-import",
        "of two open imports of a record the older continues",
        "invariant 2: both run, and one fails late",
        (Edit(VALIDATE, "        if row.id in self.in_use.second:\n", "        if False:\n"),),
        (f"{VALIDATION}::test_of_two_open_imports_of_a_record_the_older_goes_on[sqlite]",),
    ),
    Mutant(
        "already-linked",
        "a record that is already a client is not imported",
        "invariant 2",
        (Edit(VALIDATE, "        if row.xpm_uuid in self.in_use.linked:\n", "        if False:\n"),),
        (f"{VALIDATION}::test_a_record_that_is_a_client_already[sqlite]",),
    ),
    Mutant(
        "linked-since",
        "a link that the index refuses rolls back the client",
        "invariant 2: a client without its record",
        (
            Edit(
                "handlers/imports/create.py",
                "    if len(linked) < len(new):",
                "    if linked is None:",
            ),
        ),
        (f"{CREATION}::test_a_record_linked_since_validation[sqlite-individual]",),
    ),
    Mutant(
        "email-taken-since",
        "an email that the index refuses rolls back the client",
        "invariant 2, b.2: a client without a login of their own",
        (
            Edit(
                "handlers/imports/create.py",
                "        raise refusals.EMAIL_TAKEN()\n",
                "        pass\n",
            ),
        ),
        (f"{CREATION}::test_an_email_taken_since_validation[sqlite]",),
    ),
    Mutant(
        "email-early",
        "an email that is in use is reported at validation",
        "b.2: the requester learns of it only when the client is created",
        (Edit(VALIDATE, "        if email_key in self.in_use.logins:\n", "        if False:\n"),),
        (f"{VALIDATION}::test_an_email_that_any_login_on_the_platform_holds[sqlite-client]",),
    ),
    Mutant(
        "batch-early",
        "a row whose email an earlier row has is reported at validation",
        "b.10",
        (
            Edit(
                VALIDATE,
                "if row.id in self.claimed or (row.batch_id",
                "if (row.batch_id",
            ),
        ),
        (f"{BATCH_ORDER}::test_a_later_row_is_told_early",),
    ),
    Mutant(
        "batch-quota-holds",
        "a row that waits for the quota still holds back later rows",
        "b.10: a later row takes its email meanwhile",
        (
            Edit(
                VALIDATE,
                "    if job.import_id is not None and failure.error_class is not ErrorClass.DEFERRED:",
                "    if job.import_id is not None:",
            ),
        ),
        (f"{BATCH_ORDER}::test_a_row_that_waits_for_the_quota_holds_the_later_ones_back[sqlite]",),
    ),
    Mutant(
        "batch-failure-frees",
        "a row that failed once holds back no other row",
        "b.30: one bad row delays its batch for hours",
        (Edit(VALIDATE, "        imports.resolve(tx, {job.import_id})\n", "        pass\n"),),
        (f"{BATCH_ORDER}::test_a_row_that_failed_once_holds_nobody_back[sqlite]",),
    ),
    Mutant(
        "key-fingerprint",
        "a used key with another body is a conflict",
        "invariant 2: a new request is answered with an old import",
        (
            Edit(
                "handlers/imports/accept.py",
                '    if known is None or known.fingerprint != row["fingerprint"]:',
                "    if known is None:",
            ),
        ),
        (f"{REQUESTS}::test_the_same_key_with_another_body_is_a_conflict[sqlite]",),
    ),
    Mutant(
        "batch-fingerprint",
        "a used batch key with other rows is a conflict",
        "invariant 2: a new batch is answered with an old one",
        (
            Edit(
                "handlers/imports/accept.py",
                "if known is None or known.fingerprint != fingerprint:",
                "if known is None:",
            ),
        ),
        (f"{REQUESTS}::test_the_same_key_for_another_batch_is_a_conflict[sqlite]",),
    ),
)

WRITING = (
    Mutant(
        "same-connection",
        "a creation checks again whether its connection may still be used",
        "b.11: a client is created from data of a disconnected firm",
        (
            Edit(
                "handlers/imports/create.py",
                "        require_same_connection(requesters[each.task.row.requested_by], each.task.fetched.connection)\n",
                "        pass\n",
            ),
        ),
        (
            f"{CREATION}::test_disconnected_while_creation_was_reading[sqlite-individual]",
            f"{CREATION}::test_left_while_creation_was_reading",
        ),
    ),
    Mutant(
        "replaced-connection",
        "a creation that read through a connection since replaced reads again",
        "b.11: a client is linked through a connection that is gone",
        (
            Edit(
                CONNECTIONS,
                "    if require_connection(requester).id != used.id:\n",
                "    if require_connection(requester) is None:\n",
            ),
        ),
        (f"{CREATION}::test_reconnected_to_another_practice_while_creation_was_reading",),
    ),
    Mutant(
        "live-link",
        "details and relationships are imported only for a client with a live link",
        "b.11: a disconnected client is changed",
        (Edit("portal_db/clients/relationships.py", LIVE_OF_FOUND, "link_is_live_of_found = XpmLink.id.is_not(None)"),),
        (
            f"{DETAILS}::test_a_client_disconnected_while_its_details_were_on_the_way[sqlite]",
            f"{RELATIONSHIPS}::test_a_disconnected_client_is_refused[sqlite]",
        ),
    ),
    Mutant(
        "same-record",
        "details and relationships come from the record that the client is linked to",
        "b.11, b.35: another person's data in a client",
        (
            Edit("handlers/imports/details.py", "linked.link.xpm_uuid == task.fetched.record.uuid", "linked.link"),
            Edit("handlers/relationships/merge.py", " or link.xpm_uuid != update.xpm_uuid:", ":"),
        ),
        (
            f"{DETAILS}::test_a_client_linked_to_another_record_meanwhile_is_left_alone[sqlite]",
            f"{RELATIONSHIPS}::test_a_client_linked_to_another_record_meanwhile_is_left_alone[sqlite]",
        ),
    ),
    Mutant(
        "older-news",
        "older data neither records nor resolves a conflict",
        "P3: data that arrives late undoes newer data",
        (Edit("handlers/imports/details.py", "and not _is_outdated(known[each.client.id], task.fetched)", ""),),
        (f"{DETAILS}::test_older_news_settles_no_conflict[sqlite]",),
    ),
    Mutant(
        "contact-email",
        "another person's login email does not become a contact email",
        "b.17",
        (
            Edit(
                "handlers/imports/details.py",
                "for client_id, key in email_keys.items() if key in logins",
                "for client_id, key in email_keys.items() if False",
            ),
        ),
        (f"{DETAILS}::test_somebody_else_s_email_is_noted_as_a_conflict[sqlite]",),
    ),
)

FAILING = (
    Mutant(
        "patience-ends",
        "a job that has failed for as long as its kind is worth is dead",
        "P14: it fails for ever",
        (Edit(FAILURES, " if _waited(tx, job, error) < kind.patience_hours * 3600:", ":"),),
        (f"{ERRORS}::test_a_job_is_retried_for_as_long_as_its_kind_is_worth_and_then_dead",),
    ),
    Mutant(
        "patience-of-one-cause",
        "patience counts from the first of a row of failures of one class",
        "a job that waited for a reconnect dies at the first hiccup after it",
        (Edit(FAILURES, " or job.error_class not in (error.error_class, ErrorClass.DEFERRED)", ""),),
        (f"{ERRORS}::test_patience_begins_anew_after_another_kind_of_wait",),
    ),
    Mutant(
        "patience-through-deferrals",
        "a deferral between two failures does not prolong patience",
        "a job that is deferred now and then fails for ever",
        (Edit(FAILURES, "not in (error.error_class, ErrorClass.DEFERRED)", "is not error.error_class"),),
        (f"{ERRORS}::test_a_deferral_between_two_failures_does_not_prolong_patience",),
    ),
    Mutant(
        "deferrals-free",
        "a deferral does not count as an attempt",
        "P11: throttled jobs become dead letters",
        (
            Edit(
                FAILURES,
                "return _Wait(0.0 if _is_over(tx, error) else _deferral(tx, error))",
                "return _Wait(_deferral(tx, error), counts_as_attempt=True)",
            ),
        ),
        (f"{ERRORS}::test_the_class_of_an_error_decides[QuotaDeferred-fetch]",),
    ),
    Mutant(
        "connection-patience",
        "a wait for a reconnect ends after 72 hours",
        "invariant 1: an import is open for ever",
        (Edit(FAILURES, " if _waited(tx, job, error) < CONNECTION_PATIENCE_SECONDS:", ":"),),
        ("tests/handlers/xero/test_connection.py::test_after_72_hours_the_import_fails_and_says_reconnect[sqlite]",),
    ),
    Mutant(
        "bug-says-no-values",
        "a bug is reported by its type and not by its text",
        "invariant 6: an error quotes a row or a request",
        (Edit("worker/runner/failures.py", "went wrong ({_name_of(error)}).", "went wrong ({error})."),),
        (f"{ERRORS}::test_an_unforeseen_error_says_where_and_no_values",),
    ),
    Mutant(
        "audit-codes",
        "the audit trail has codes and no texts",
        "invariant 6: personal data in the audit trail",
        (
            Edit(
                "portal_db/work/imports.py",
                "outcome.code if outcome else None) for row, state, outcome in made)",
                "outcome.message if outcome else None) for row, state, outcome in made)",
            ),
        ),
        ("tests/handlers/imports/test_settle.py::test_a_rejection_is_audited_with_its_code_and_no_address[sqlite]",),
    ),
)


MUTANTS = (*EMAIL, *AGAIN, *VALIDATING, *WRITING, *FAILING)
