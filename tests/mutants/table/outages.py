"""Guards of outages: one job at a time tries a server that is away, and nobody's attempts are used up."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant

OUTAGES = "handlers/outages.py"
RECORD = "portal_db/work/outages.py"
SMTP = "handlers/email/smtp.py"
TESTS = "tests/handlers/test_outages.py"
SMTP_TESTS = "tests/handlers/email/test_smtp.py"
LINKS = "handlers/operations/check_links.py"
LINKS_TESTS = "tests/handlers/operations/test_reconcile_beside.py"

MUTANTS = (
    Mutant(
        "outage-one-probe",
        "while a server is away, only one caller at a time tries it",
        "a whole batch is thrown at a server that is down",
        (
            Edit(
                OUTAGES,
                "is_probe = not 0 < wait <= PROBE_SECONDS and outages.take_probe",
                "is_probe = True or outages.take_probe",
            ),
        ),
        (f"{TESTS}::test_a_mail_server_that_refuses_us_costs_no_client_and_no_attempt[sqlite]",),
    ),
    Mutant(
        "outage-wakes",
        "the end of an outage makes the jobs that waited for it due",
        "they wait on although the server is back",
        (
            Edit(
                RECORD,
                "    return update_rows(tx, Job, *_waits(waiting_code), **due_in(0))",
                "    return 0",
            ),
        ),
        (f"{TESTS}::test_a_mail_server_that_refuses_us_costs_no_client_and_no_attempt[sqlite]",),
    ),
    Mutant(
        "outage-over",
        "a job that is parked for an outage that has ended is due at once",
        "it waits for ten minutes, and nothing wakes it",
        (
            Edit(
                "worker/runner/failures.py",
                "_Wait(0.0 if _is_over(tx, error) else _deferral(tx, error))",
                "_Wait(_deferral(tx, error))",
            ),
        ),
        (f"{TESTS}::test_a_job_that_is_parked_after_the_outage_has_ended_is_due_at_once[sqlite]",),
    ),
    Mutant(
        "outage-nobodys-probe",
        "a job that meets an outage of which no job waits to make the next probe makes it",
        "after an outage that a web process noticed, imports wait for ten minutes although the server is back",
        (
            Edit(
                "worker/runner/failures.py",
                "    if upstream is None:\n        return wait",
                "    if True:\n        return wait",
            ),
        ),
        (f"{TESTS}::test_of_the_jobs_that_meet_an_outage_one_makes_the_next_probe",),
    ),
    Mutant(
        "outage-one-makes-it",
        "one job waits for the next probe, the others for the end of the outage",
        "all jobs come back at each probe",
        (Edit(RECORD, "    if has_row(tx, *_waits(waiting_code), _may_be_rung(), in_time):", "    if False:"),),
        (f"{TESTS}::test_of_the_jobs_that_meet_an_outage_one_makes_the_next_probe",),
    ),
    Mutant(
        "outage-of-all",
        "a failure that may be about one job alone counts once for that job",
        "one client that XPM cannot answer stops everybody's imports",
        (Edit(RECORD, "counts = true() if of_all else", "counts = true() if True else"),),
        (f"{TESTS}::test_one_client_that_xpm_cannot_answer_is_no_outage",),
    ),
    Mutant(
        "outage-intent",
        "an email whose server is away is pending again",
        "P21: it is marked unknown although nothing was sent",
        (
            Edit(
                "worker/runner/chain.py",
                "isinstance(self.error, (Deferred, Transient))",
                "isinstance(self.error, Transient)",
            ),
        ),
        (f"{TESTS}::test_a_waiting_email_is_pending_and_never_unknown",),
    ),
    Mutant(
        "outage-answer",
        "an answer stays an answer, though the database cannot end the outage",
        "invariant 3: an email that the server took is sent again, because our own error says that nothing was sent",
        (
            Edit(
                OUTAGES,
                '            log.warning("outage.not_ended", upstream=upstream.name, exc_info=error)\n            return\n',
                "            raise\n",
            ),
        ),
        (f"{TESTS}::test_an_answer_stays_an_answer_though_the_outage_cannot_be_ended[answers0-sent]",),
    ),
    Mutant(
        "outage-unknown",
        "a mail server that confirms nothing is away after a few emails",
        "a whole batch is of unknown outcome, one email after the other, each for a person to decide",
        (
            Edit(
                OUTAGES,
                "        case OutcomeUnknown():\n",
                "        case OutcomeUnknown():\n            return False\n",
            ),
        ),
        (f"{TESTS}::test_a_server_that_confirms_nothing_costs_a_few_emails_their_certainty",),
    ),
    Mutant(
        "outage-unknown-stays",
        "an email of unknown outcome stays so although it was one too many",
        "invariant 3: it counts as not sent, and is sent again",
        (Edit(OUTAGES, "if away is not None and not verdict.may_be_done:", "if away is not None:"),),
        (f"{TESTS}::test_a_server_that_confirms_nothing_costs_a_few_emails_their_certainty",),
    ),
    Mutant(
        "outage-uncounted",
        "a failure stays what it is, though the database cannot count it",
        "invariant 3: an email of unknown outcome counts as not sent, and is sent again",
        (
            Edit(
                OUTAGES,
                '            log.warning("outage.not_counted", upstream=upstream.name, exc_info=error)\n            return None\n',
                "            raise\n",
            ),
        ),
        (f"{TESTS}::test_what_is_unknown_stays_so_though_the_failure_cannot_be_counted",),
    ),
    Mutant(
        "smtp-patience",
        "the answer to a message is waited for longer than any other",
        "emails of a server that looks for viruses are of unknown outcome",
        (
            Edit(
                SMTP,
                "        server.sock.settimeout(SECONDS_FOR_THE_ANSWER)\n",
                "        server.sock.settimeout(SECONDS_PER_STEP)\n",
            ),
        ),
        (f"{SMTP_TESTS}::test_the_answer_to_a_message_may_take_longer_than_any_other[at once]",),
    ),
    Mutant(
        "outage-index",
        "the jobs that wait for an outage's end are found by an index of waiting jobs",
        "each failure reads all finished jobs while it holds the outage, and every worker waits for it",
        (
            Edit(
                RECORD,
                "    return is_in(JobState.WAITING), Job.error_code == code\n",
                '    return is_in(JobState.WAITING), Job.error_code.concat("") == code\n',
            ),
        ),
        (
            "tests/portal_db/work/test_job_growth.py::test_an_outage_reads_none_but_the_jobs_that_wait_for_its_end[new postgresql]",
        ),
    ),
    Mutant(
        "smtp-no-recipient",
        "a message is not begun for a recipient that was refused, whatever the server says to DATA",
        "a client is told nothing of a wrong address, and a message goes to nobody",
        (
            Edit(
                SMTP,
                "    if not _is_yes(code):\n        raise _refused(code, answer)\n    with _patient",
                "    with _patient",
            ),
        ),
        (f"{SMTP_TESTS}::test_a_message_is_not_begun_before_all_has_been_accepted[at once]",),
    ),
    Mutant(
        "smtp-one-line",
        "a command that would be two is refused before it is sent",
        "whoever can write an address gives commands to the mail server",
        (Edit(SMTP, "if any(command.splitlines() != [command] for command in commands):", "if False:"),),
        (f"{SMTP_TESTS}::test_an_address_of_two_lines_is_no_command[at once]",),
    ),
    Mutant(
        "smtp-policy",
        "a refusal of our sender or message is not the client's address",
        "clients are told to correct an address that is right",
        (Edit(SMTP, '        case "1" | "2.1":', '        case "1" | "2.1" | "7" | "4" | "5":'),),
        (
            f"{SMTP_TESTS}::test_a_refusal_of_our_sender_or_message_does_not_blame_the_client[at once-554 5.7.1 Spam-end]",
        ),
    ),
    Mutant(
        "smtp-full",
        "a full mailbox is tried again",
        "a client whose mailbox is full never gets the email",
        (Edit(SMTP, '        case "2" | "2.2" | "3":', '        case "none":'),),
        (f"{SMTP_TESTS}::test_a_full_mailbox_is_tried_again[at once-550 5.2.2 Full]",),
    ),
    Mutant(
        "links-odd-record",
        "a linked record that cannot be read does not end the night's look at its tenant",
        "one client without a name, and no link of the practice is checked any more",
        (
            Edit(
                LINKS,
                "isinstance(error, JobError | XpmMalformed | XpmRefused",
                "isinstance(error, JobError | XpmRefused",
            ),
        ),
        (f"{LINKS_TESTS}::test_a_record_that_cannot_be_read_keeps_no_other_link_waiting[sqlite]",),
    ),
    Mutant(
        "links-own-connection",
        "a link is checked through its own connection, and no other",
        "a record is reported gone because another connection does not see it",
        (Edit(LINKS, "    require_same_connection(owner, due.connection)\n"),),
        (f"{LINKS_TESTS}::test_a_connection_that_was_replaced_meanwhile_is_not_asked[sqlite]",),
    ),
    Mutant(
        "links-take-turns",
        "links that are due go to the end of the queue, whether or not they can be checked",
        "a tenant that is away each night keeps every other tenant's links from being checked",
        (Edit(LINKS, "        links.postpone(tx, [each.link.id for each in due])\n", "        pass\n"),),
        (f"{LINKS_TESTS}::test_a_tenant_whose_xpm_is_away_keeps_no_other_tenants_links_waiting[sqlite]",),
    ),
    Mutant(
        "links-failed-goes-last",
        "a link whose check ends the look at its tenant goes behind the links that it keeps waiting",
        "a record that XPM always fails for keeps its tenant's other links from ever being checked",
        (Edit(LINKS, "                links.postpone(tx, [link.id])\n", "                pass\n"),),
        (f"{LINKS_TESTS}::test_a_record_that_xpm_fails_for_keeps_its_tenants_links_waiting_for_one_run[postgresql]",),
    ),
    Mutant(
        "outage-probe-back",
        "a probe that our own quota stops is made by another",
        "XPM is back, and everybody waits two minutes more for one tenant whose day is used up",
        (Edit(OUTAGES, "                self._give_back_probe(upstream)\n", "                pass\n"),),
        (f"{TESTS}::test_a_probe_that_our_own_quota_stops_is_made_by_another",),
    ),
    Mutant(
        "outage-person-asks-again",
        "a person's calls for one record count once against XPM",
        "three clicks on one record that XPM fails for, and XPM is away for all practices",
        (
            Edit(
                "handlers/directory/lookup.py",
                "lane=Lane.INTERACTIVE, holder=str(xpm_uuid), ",
                "lane=Lane.INTERACTIVE, ",
            ),
        ),
        (f"{TESTS}::test_a_person_who_asks_again_for_one_record_is_no_outage",),
    ),
    Mutant(
        "outage-probe-may-run",
        "the next probe is given to a job that may run",
        "a paused practice has the first waiting job, and everybody's work waits ten minutes after the server is back",
        (Edit(RECORD, ".where(*_waits(waiting_code), _may_be_rung())", ".where(*_waits(waiting_code))"),),
        (f"{TESTS}::test_the_probe_is_made_by_a_job_that_may_run",),
    ),
    Mutant(
        "outage-probe-nobody",
        "a job that may not run makes no probe",
        "the next worker that meets the outage leaves the probe to a job that is paused",
        (Edit(RECORD, "*_waits(waiting_code), _may_be_rung(), in_time", "*_waits(waiting_code), in_time"),),
        (f"{TESTS}::test_the_probe_is_made_by_a_job_that_may_run",),
    ),
    Mutant(
        "outage-own-probe",
        "a caller gives back only a probe that it took",
        "two probes at once of a server that is away",
        (Edit(OUTAGES, "elif standing is Standing.PROBED:", "elif standing is not Standing.WELL:"),),
        (f"{TESTS}::test_who_did_not_take_the_probe_does_not_give_it_back",),
    ),
    Mutant(
        "outage-probe-of-quota",
        "no probe is left to a job that the quota holds back",
        "a practice whose day of quota is used up has the first waiting job, and everybody waits for ten minutes",
        (Edit(RECORD, "and_(is_free(), ~exists().where(is_put_off_by_quota(_other), *same))", "is_free()"),),
        (f"{TESTS}::test_no_probe_is_left_to_a_job_that_the_quota_holds_back",),
    ),
)
