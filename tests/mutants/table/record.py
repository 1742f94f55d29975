"""Guards of the record: what the database itself decides (portal_db)."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant

JOBS = "portal_db/jobs.py"
RING = "portal_db/ringing.py"
SCHEMA = "portal_db/migrations/versions/0001_the_record.py"
CLAIMS = "tests/record/test_claims.py"
LEASES = "tests/record/test_leases.py"
UNIQUENESS = "tests/record/test_uniqueness.py"
NEWS = "tests/record/test_news.py"
CONFINEMENT = "tests/record/test_confinement.py"
STATE_MACHINE = "tests/runner/test_state_machine.py::test_every_import_ends_once_whatever_happens"

CLAIMING = (
    Mutant(
        "claim-state",
        "only a job that is due is claimed",
        "P3, invariant 2: a running or finished job runs again",
        (
            Edit(
                JOBS,
                '        Job.id == bindparam("job_id"),\n        is_due(),\n',
                '        Job.id == bindparam("job_id"),\n',
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
        "P15: an upgrade dead-letters new work",
        (Edit(JOBS, "expanding=True)),\n", 'expanding=True)) | (Job.kind != ""),\n'),),
        (f"{CLAIMS}::test_a_kind_this_process_does_not_know_is_left_for_a_newer_one[sqlite]",),
    ),
    Mutant(
        "claim-pause",
        "what is paused is not claimed",
        "an operator's pause stops nothing",
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
            "tests/handlers/test_batch_order.py::test_a_row_that_waits_for_the_quota_holds_the_later_ones_back[sqlite]",
        ),
    ),
    Mutant(
        "claim-deadline",
        "a lease never begins longer than the hard deadline",
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
        (
            Edit(
                JOBS,
                'Job.lease_token == bindparam("token"), Job.state',
                '(Job.lease_token == bindparam("token")) | Job.id.is_not(None), Job.state',
            ),
        ),
        (f"{LEASES}::test_a_stale_lease_writes_nothing[sqlite]", STATE_MACHINE),
    ),
    Mutant(
        "succeed-state",
        "only a running job is marked done",
        "invariant 1: a job ends twice",
        (Edit(JOBS, 'bindparam("token"), Job.state == JobState.RUNNING)\n', 'bindparam("token"))\n'),),
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
        "P3: whoever had the job before decides about it",
        (Edit(JOBS, "Job.id == lease.job_id, Job.lease_token == lease.token, ", "Job.id == lease.job_id, "),),
        (f"{LEASES}::test_a_stale_lease_writes_nothing[sqlite]",),
    ),
    Mutant(
        "holds-state",
        "holding a lease means that the job still runs",
        "invariant 1: a job ends twice",
        (
            Edit(
                JOBS,
                "Job.lease_token == lease.token, Job.state == JobState.RUNNING)",
                "Job.lease_token == lease.token)",
            ),
        ),
        (f"{LEASES}::test_a_job_ends_once[sqlite]",),
    ),
    Mutant(
        "take-back-expired",
        "only a lease that has run out is taken back",
        "P3: a busy worker is mistaken for a dead one",
        (
            Edit(
                JOBS, "Job.state == JobState.RUNNING, Job.lease_until < db_now())\n", "Job.state == JobState.RUNNING)\n"
            ),
            Edit(JOBS, ".where(holds(lease), Job.lease_until < db_now())", ".where(holds(lease))"),
        ),
        (f"{LEASES}::test_an_expired_lease_is_taken_back_and_its_attempt_kept[sqlite]",),
    ),
    Mutant(
        "take-back-looks-again",
        "a lease that was renewed since the relay looked is not taken back",
        "P3: a busy worker is mistaken for a dead one",
        (Edit(JOBS, ".where(holds(lease), Job.lease_until < db_now())", ".where(holds(lease))"),),
        (f"{LEASES}::test_a_lease_renewed_between_the_look_and_the_taking_is_kept",),
    ),
    Mutant(
        "renew-deadline",
        "a lease is never renewed past the hard deadline",
        "P16: a job that hangs keeps its lease for ever",
        (
            Edit(
                JOBS,
                "(Job.deadline_at < db_now(lease_seconds), Job.deadline_at)",
                "(Job.deadline_at.is_(None), Job.deadline_at)",
            ),
        ),
        (f"{LEASES}::test_a_lease_is_never_renewed_past_the_hard_deadline[sqlite]",),
    ),
    Mutant(
        "renew-owner",
        "a process renews its own leases only",
        "P3: a dead process's job is kept alive by another",
        (Edit(JOBS, ".where(Job.lease_owner == owner, Job.state", ".where(Job.state"),),
        (f"{LEASES}::test_one_statement_renews_all_of_a_process_and_of_nobody_else[sqlite]",),
    ),
    Mutant(
        "renew-state",
        "only a running job's lease is renewed",
        "a finished job seems to run",
        (Edit(JOBS, "Job.lease_owner == owner, Job.state == JobState.RUNNING, ", "Job.lease_owner == owner, "),),
        (f"{LEASES}::test_a_finished_job_is_not_renewed[sqlite]",),
    ),
    Mutant(
        "cancel-except",
        "cancelling leaves a job alone that may be sending an email",
        "invariant 3: a sent email is recorded as cancelled",
        (Edit(JOBS, "            Job.kind.not_in(tuple(except_kinds)),\n"),),
        (f"{LEASES}::test_cancelling_leaves_what_it_is_told_to_and_what_has_ended[sqlite]",),
    ),
    Mutant(
        "requeue-state",
        "only a dead letter is requeued, and once",
        "invariant 2: two operators requeue it twice",
        (Edit(JOBS, ".where(Job.id == job_id, Job.state == JobState.DEAD)", ".where(Job.id == job_id)"),),
        (f"{CLAIMS}::test_a_dead_job_comes_back_once[sqlite]",),
    ),
    Mutant(
        "leader-lease",
        "one relay leads until its lease has run out",
        "two relays ring everything twice",
        (
            Edit(
                "portal_db/leaders.py",
                ".where(Leader.role == role, or_(Leader.owner == owner, Leader.until < db_now()))",
                ".where(Leader.role == role)",
            ),
        ),
        ("tests/queue/test_relay_outages.py::test_one_of_two_leads_and_the_other_takes_over_when_it_dies[sqlite]",),
    ),
    Mutant(
        "import-row-lock",
        "a job's end locks its import first",
        "invariant 1: of two last jobs each thinks the other still runs, and nobody closes the import",
        (Edit("portal_db/imports.py", "    .with_for_update()\n"),),
        ("tests/runner/test_last_jobs.py::test_of_two_last_jobs_one_closes_the_import[postgresql-False]",),
    ),
)


def _without_unique(name: str, guard: str, answers: str, old: str, *tests: str, new: str = "") -> Mutant:
    return Mutant(f"unique-{name}", guard, answers, (Edit(SCHEMA, old, new),), tests)


def _not_unique(name: str, guard: str, answers: str, index: str, *tests: str) -> Mutant:
    return _without_unique(
        name, guard, answers, f"{index}\n        unique=True", *tests, new=f"{index}\n        unique=False"
    )


INDEXES = (
    _without_unique(
        "login-email",
        "unique index: an email belongs to one login",
        "invariant 2, b.2",
        '        sa.UniqueConstraint("email_key", name=op.f("uq_logins_email_key")),\n',
        f"{UNIQUENESS}::test_an_email_belongs_to_one_login[sqlite]",
        f"{UNIQUENESS}::test_staff_and_clients_share_one_set_of_emails[sqlite]",
    ),
    _without_unique(
        "client-per-import",
        "unique index: an import makes one client",
        "invariant 2",
        '        sa.UniqueConstraint("import_id", name=op.f("uq_clients_import_id")),\n',
        f"{UNIQUENESS}::test_an_import_makes_one_client[sqlite]",
    ),
    _not_unique(
        "link-record",
        "unique index: an XPM record is linked to one client of a practice",
        "invariant 2, b.35",
        '        "xpm_links",\n        ["practice_id", "xpm_uuid"],',
        f"{UNIQUENESS}::test_an_xpm_record_is_linked_to_one_client_of_a_practice[sqlite]",
        "tests/handlers/test_creation.py::test_a_record_linked_since_validation[sqlite-individual]",
    ),
    _not_unique(
        "link-client",
        "unique index: a client has one live link",
        "b.9, b.35",
        '        "xpm_links",\n        ["client_id"],',
        f"{UNIQUENESS}::test_a_client_has_one_live_link[sqlite]",
    ),
    _without_unique(
        "import-key",
        "unique index: an idempotency key is used once in its practice",
        "P21, invariant 2: a request sent again is a second import",
        '        sa.UniqueConstraint("practice_id", "idempotency_key", name=op.f("uq_imports_practice_id_idempotency_key")),\n',
        f"{UNIQUENESS}::test_a_request_sent_several_times_at_once_is_one_import[sqlite]",
        "tests/queue/test_door.py::test_the_same_request_again_is_the_same_import[sqlite]",
    ),
    _without_unique(
        "batch-key",
        "unique index: a batch's key is used once in its practice",
        "invariant 2: a batch sent again is doubled",
        '        sa.UniqueConstraint("practice_id", "idempotency_key", name=op.f("uq_batches_practice_id_idempotency_key")),\n',
        f"{UNIQUENESS}::test_a_batch_sent_several_times_at_once_is_one_batch[sqlite]",
        "tests/handlers/test_request_import.py::test_the_same_batch_again_doubles_nothing[sqlite]",
    ),
    _without_unique(
        "batch-row",
        "unique index: a row of a batch has one place",
        "b.10: which of two rows is first is not decided",
        '        sa.UniqueConstraint("batch_id", "position", name=op.f("uq_imports_batch_id_position")),\n',
        f"{UNIQUENESS}::test_a_batch_row_has_one_place[sqlite]",
    ),
    _without_unique(
        "job-dedupe",
        "unique index: the same work is one job",
        "P5, P12: a step that is done twice starts the next one twice",
        '        sa.UniqueConstraint("dedupe_key", name=op.f("uq_jobs_dedupe_key")),\n',
        f"{UNIQUENESS}::test_the_same_work_is_one_job[sqlite]",
        f"{UNIQUENESS}::test_known_work_among_new_is_left_out[sqlite]",
    ),
    _without_unique(
        "welcome-email",
        "unique index: a client has one welcome email",
        "invariant 3, b.6",
        '        sa.UniqueConstraint("client_id", name=op.f("uq_welcome_emails_client_id")),\n',
        f"{UNIQUENESS}::test_a_client_has_one_welcome_email[sqlite]",
    ),
    _without_unique(
        "import-event",
        "unique index: an epoch of an import is closed by one event",
        "invariant 1: one close is told twice",
        '        sa.UniqueConstraint("import_id", "epoch", name=op.f("uq_import_events_import_id_epoch")),\n',
        f"{UNIQUENESS}::test_an_epoch_has_one_closing_event[sqlite]",
    ),
    _not_unique(
        "live-connection",
        "unique index: a staff member has one live connection",
        "b.13: which connection an import goes through is not decided",
        '        "xpm_connections",\n        ["staff_id"],',
        f"{UNIQUENESS}::test_a_staff_member_has_one_live_connection[sqlite]",
    ),
    _without_unique(
        "reconnect-notice",
        "unique index: each break of a connection is told once",
        "fifty jobs that find a break send fifty emails",
        '        sa.UniqueConstraint("connection_id", "number", name=op.f("uq_reconnect_notices_connection_id_number")),\n',
        f"{UNIQUENESS}::test_a_break_has_one_notice[sqlite]",
    ),
    _without_unique(
        "malformed",
        "unique index: the same unreadable message is kept once",
        "P6: a producer that repeats nonsense fills the record",
        '        sa.UniqueConstraint("digest", name=op.f("uq_malformed_messages_digest")),\n',
        "tests/queue/test_door.py::test_the_same_nonsense_is_kept_once",
    ),
)

OLDER_NEWS = (
    Mutant(
        "as-of-fields",
        "an older answer of XPM's overwrites no newer field",
        "P3: news that come late undo newer ones",
        (
            Edit(
                "portal_db/clients.py",
                "~ClientField.is_override & (ClientField.as_of < statement.excluded.as_of)",
                "~ClientField.is_override",
            ),
        ),
        (f"{NEWS}::test_a_field_keeps_the_newest_answer[sqlite]",),
    ),
    Mutant(
        "override-fields",
        "a field that staff adjusted is no longer XPM's to change",
        "b.3: an import undoes what a person decided",
        (Edit("portal_db/clients.py", "~ClientField.is_override & (ClientField.as_of", "(ClientField.as_of"),),
        ("tests/handlers/test_import_details.py::test_a_field_that_staff_adjusted_stays[sqlite]",),
    ),
    Mutant(
        "as-of-directory",
        "an older sight of a record replaces no newer one",
        "P3: news that come late undo newer ones",
        (Edit("portal_db/upstream.py", "            where=DirectoryRecord.as_of < statement.excluded.as_of,\n"),),
        (f"{NEWS}::test_the_directory_keeps_the_newest_sight[sqlite]",),
    ),
    Mutant(
        "as-of-relationships",
        "an older list of relationships renews none",
        "P3: news that come late undo newer ones",
        (Edit("portal_db/relationships.py", "                where=Relationship.as_of < statement.excluded.as_of,\n"),),
        ("tests/handlers/test_import_relationships.py::test_older_news_changes_nothing[sqlite]",),
    ),
    Mutant(
        "as-of-superseded",
        "an older list of relationships supersedes none",
        "P3: news that come late undo newer ones",
        (
            Edit(
                "portal_db/relationships.py",
                "Relationship.state == ReviewState.PENDING, Relationship.as_of < as_of\n",
                "Relationship.state == ReviewState.PENDING, Relationship.as_of != as_of\n",
            ),
        ),
        ("tests/handlers/test_import_relationships.py::test_older_news_changes_nothing[sqlite]",),
    ),
    Mutant(
        "as-of-members",
        "an older list changes no team member",
        "P3: news that come late undo newer ones",
        (
            Edit(
                "portal_db/relationships.py",
                "TeamMember.client_id == client_id, TeamMember.as_of < as_of)",
                "TeamMember.client_id == client_id)",
            ),
            Edit(
                "portal_db/relationships.py",
                "TeamMember.id == member.id, TeamMember.as_of < as_of)",
                "TeamMember.id == member.id)",
            ),
        ),
        ("tests/handlers/test_import_relationships.py::test_older_news_changes_nothing[sqlite]",),
    ),
)

CONFINED = (
    Mutant(
        "confined-client",
        "a client is found in its own practice only",
        "invariant 6",
        (
            Edit(
                "portal_db/clients.py",
                ".where(Client.id == client_id, Client.practice_id == practice_id)",
                ".where(Client.id == client_id)",
            ),
        ),
        (f"{CONFINEMENT}::test_a_client_is_found_in_its_own_practice_only[sqlite]",),
    ),
    Mutant(
        "confined-client-keys",
        "what belongs to a client names the client's own practice",
        "invariant 6: a link of one practice hangs on another's client",
        (
            Edit(
                SCHEMA,
                '        sa.ForeignKeyConstraint(\n            ["practice_id", "client_id"],\n            ["clients.practice_id", "clients.id"],\n            name=op.f("fk_xpm_links_practice_id_client_id"),\n        ),\n',
            ),
        ),
        (f"{CONFINEMENT}::test_a_link_names_the_clients_own_practice[sqlite]",),
    ),
    Mutant(
        "confined-import",
        "an import is found in its own practice only",
        "invariant 6",
        (
            Edit(
                "portal_db/imports.py",
                "        statement = statement.where(Import.practice_id == practice_id)\n    return tx.session.scalar(statement)",
                "        pass\n    return tx.session.scalar(statement)",
            ),
        ),
        (f"{CONFINEMENT}::test_an_import_is_found_in_its_own_practice_only[sqlite]",),
    ),
    Mutant(
        "confined-listing",
        "a practice's list shows its own imports only",
        "invariant 6",
        (
            Edit(
                "portal_db/imports.py",
                "        statement = statement.where(Import.practice_id == practice_id)\n    if states:",
                "        pass\n    if states:",
            ),
        ),
        (f"{CONFINEMENT}::test_a_list_shows_one_practice_only[sqlite]",),
    ),
    Mutant(
        "confined-key",
        "an idempotency key is looked up in its own practice only",
        "invariant 6: a request is answered with another practice's import",
        (
            Edit(
                "portal_db/imports.py",
                ".where(Import.practice_id == practice_id, Import.idempotency_key == idempotency_key)",
                ".where(Import.idempotency_key == idempotency_key)",
            ),
        ),
        (f"{CONFINEMENT}::test_a_key_leads_to_its_own_practices_import[sqlite]",),
    ),
    Mutant(
        "confined-staff",
        "a request's staff member works at its practice",
        "invariant 6",
        (
            Edit(
                "portal_db/people.py",
                ".where(Staff.id == staff_id, Staff.practice_id == practice_id))",
                ".where(Staff.id == staff_id))",
            ),
        ),
        ("tests/handlers/test_validate_import.py::test_staff_of_another_practice_are_turned_away_at_the_door[sqlite]",),
    ),
    Mutant(
        "confined-record",
        "whether a record is a client already is a question to its own practice",
        "invariant 6: another firm's client keeps a record from being imported, and is betrayed by it",
        (
            Edit(
                "portal_db/clients.py",
                "XpmLink.practice_id == practice_id, XpmLink.xpm_uuid == xpm_uuid",
                "XpmLink.xpm_uuid == xpm_uuid",
            ),
        ),
        (
            "tests/handlers/test_validate_import.py::test_another_practice_may_import_the_same_record_with_an_own_email[sqlite]",
        ),
    ),
    Mutant(
        "confined-email",
        "a welcome email is read for its own practice only",
        "invariant 6",
        (
            Edit(
                "portal_db/emails.py",
                ".where(WelcomeEmail.id == email_id, WelcomeEmail.practice_id == practice_id, Client.practice_id == practice_id)",
                ".where(WelcomeEmail.id == email_id)",
            ),
        ),
        (f"{CONFINEMENT}::test_a_welcome_email_is_read_for_its_own_practice_only[sqlite]",),
    ),
    Mutant(
        "confined-requester",
        "an import runs for staff of its own practice only",
        "invariant 6: an import goes through another practice's connection",
        (
            Edit(
                "portal_db/upstream.py",
                "and_(Staff.id == Import.requested_by, Staff.practice_id == Import.practice_id)",
                "Staff.id == Import.requested_by",
            ),
        ),
        (f"{CONFINEMENT}::test_an_import_does_not_run_for_staff_of_another_practice[sqlite]",),
    ),
)

RINGING = (
    Mutant(
        "ring-limit",
        "so many jobs of a practice are rung at once",
        "P10, invariant 4: a big batch delays everybody else",
        (Edit(RING, "room = limit - _in_flight(tx, practice_id, lanes)", "room = limit"),),
        ("tests/queue/test_relay_fairness.py::test_so_many_jobs_of_a_practice_are_rung_at_once[sqlite]",),
    ),
    Mutant(
        "ring-turns",
        "practices take turns",
        "P10: a practice with a big batch goes first",
        (Edit(RING, "chain.from_iterable(zip_longest(*per_practice))", "chain(*per_practice, zip_longest())"),),
        ("tests/queue/test_relay_fairness.py::test_practices_take_turns_in_one_round[sqlite]",),
    ),
    Mutant(
        "ring-again",
        "a job that was rung is left alone for ten seconds",
        "P10: Redis fills with rings of the same jobs",
        (
            Edit(
                RING,
                "again = and_(Job.rung_at < db_now(-RING_AGAIN_SECONDS), ",
                "again = and_(Job.rung_at < db_now(1), ",
            ),
        ),
        ("tests/queue/test_relay_fairness.py::test_interactive_work_whose_ring_was_lost_is_rung_again[sqlite]",),
    ),
    Mutant(
        "ring-full-lane",
        "nothing is rung a second time while its queue is long",
        "P10, P17: a queue that is behind grows without end",
        (Edit(RING, ", Job.lane.not_in(tuple(full_lanes)))", ", Job.id.is_not(None))"),),
        ("tests/queue/test_relay_fairness.py::test_a_long_queue_is_not_rung_again_but_takes_what_is_new[sqlite]",),
    ),
    Mutant(
        "ring-pause",
        "what is paused is not rung",
        "paused work takes up the practice's place",
        (
            Edit(
                RING,
                "_not_rung_lately(full_lanes), ~is_paused(), ~is_out_of_turn())",
                "_not_rung_lately(full_lanes), ~is_out_of_turn())",
            ),
        ),
        ("tests/queue/test_relay_fairness.py::test_what_cannot_be_claimed_is_not_rung[sqlite]",),
    ),
    Mutant(
        "ring-batch-order",
        "a row that is out of turn is not rung",
        "b.10: rows that wait take up the practice's place",
        (Edit(RING, "~is_paused(), ~is_out_of_turn())", "~is_paused())"),),
        ("tests/queue/test_relay_fairness.py::test_what_cannot_be_claimed_is_not_rung[sqlite]",),
    ),
    Mutant(
        "ring-permits",
        "of the jobs that wait for the quota, as many go as permits are free",
        "P11: all of them wake at once and are put off again",
        (
            Edit(
                RING,
                "return rings[: max(0, self._take(practice_id, lane, on_their_way + len(rings)) - on_their_way)]",
                "return rings",
            ),
        ),
        (
            "tests/xpm/quota/test_deferrals.py::test_as_many_are_rung_as_permits_are_free_the_oldest_first[sqlite-False]",
        ),
    ),
    Mutant(
        "ring-no-overtaking",
        "jobs that were never tried do not overtake those that wait for the quota",
        "P10, P11: new work starves what waits",
        (
            Edit(
                RING,
                "                held = quota.holds_of(practice_id)\n",
                "                held = quota.holds_interactive()\n",
            ),
        ),
        ("tests/xpm/quota/test_deferrals.py::test_jobs_never_tried_do_not_overtake_those_that_wait[sqlite]",),
    ),
)

MUTANTS = (*CLAIMING, *LEASE, *INDEXES, *OLDER_NEWS, *CONFINED, *RINGING)
