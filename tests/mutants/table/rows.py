"""Guards of what the record holds: unique indexes, older data, and the separation of practices (portal_db)."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant

SCHEMA = "portal_db/migrations/versions/0001_the_record.py"
UNIQUENESS = "tests/portal_db/test_uniqueness.py"
OLDER_LOOK = "tests/handlers/imports/test_relationships.py::test_an_import_begun_later_with_an_older_look_at_xpm_changes_no_value"
NEWS = "tests/portal_db/test_news.py"
CONFINEMENT = "tests/portal_db/test_confinement.py"
PREFLIGHT = "tests/handlers/imports/test_preflight.py"


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
        "tests/handlers/imports/test_create.py::test_a_record_linked_since_validation[sqlite-individual]",
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
        "P21, invariant 2: a request sent again becomes a second import",
        '        sa.UniqueConstraint("practice_id", "idempotency_key", name=op.f("uq_imports_practice_id_idempotency_key")),\n',
        f"{UNIQUENESS}::test_a_request_sent_several_times_at_once_is_one_import[sqlite]",
        "tests/worker/queue/test_door.py::test_the_same_request_again_is_the_same_import[sqlite]",
    ),
    _without_unique(
        "batch-key",
        "unique index: a batch's key is used once in its practice",
        "invariant 2: a batch sent again is doubled",
        '        sa.UniqueConstraint("practice_id", "idempotency_key", name=op.f("uq_batches_practice_id_idempotency_key")),\n',
        f"{UNIQUENESS}::test_a_batch_sent_several_times_at_once_is_one_batch[sqlite]",
        "tests/handlers/imports/test_accept.py::test_the_same_batch_again_doubles_nothing[sqlite]",
    ),
    _without_unique(
        "batch-row",
        "unique index: a row of a batch has one position",
        "b.10: the order of two rows is not decided",
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
        "invariant 1: one close is reported twice",
        '        sa.UniqueConstraint("import_id", "epoch", name=op.f("uq_import_events_import_id_epoch")),\n',
        f"{UNIQUENESS}::test_an_epoch_has_one_closing_event[sqlite]",
    ),
    _not_unique(
        "live-connection",
        "unique index: a staff member has one live connection",
        "b.13: it is not decided through which connection an import reads",
        '        "xpm_connections",\n        ["staff_id"],',
        f"{UNIQUENESS}::test_a_staff_member_has_one_live_connection[sqlite]",
    ),
    _without_unique(
        "reconnect-notice",
        "unique index: each break of a connection has one notice",
        "fifty jobs that find a break send fifty emails",
        '        sa.UniqueConstraint("connection_id", "number", name=op.f("uq_reconnect_notices_connection_id_number")),\n',
        f"{UNIQUENESS}::test_a_break_has_one_notice[sqlite]",
    ),
    _without_unique(
        "malformed",
        "unique index: the same unreadable message is kept once",
        "P6: a producer that repeats an unreadable message fills the database",
        '        sa.UniqueConstraint("digest", name=op.f("uq_malformed_messages_digest")),\n',
        "tests/worker/queue/test_door.py::test_the_same_nonsense_is_kept_once",
    ),
)

OLDER_NEWS = (
    Mutant(
        "as-of-fields",
        "an older answer of XPM's overwrites no newer field",
        "P3: data that arrives late undoes newer data",
        (
            Edit(
                "portal_db/clients/clients.py",
                "~ClientField.is_override & (ClientField.as_of < statement.excluded.as_of)",
                "~ClientField.is_override",
            ),
        ),
        (f"{NEWS}::test_a_field_keeps_the_newest_answer[sqlite]",),
    ),
    Mutant(
        "override-fields",
        "XPM does not overwrite a field that staff changed",
        "b.3: an import undoes what a person decided",
        (Edit("portal_db/clients/clients.py", "~ClientField.is_override & (ClientField.as_of", "(ClientField.as_of"),),
        ("tests/handlers/imports/test_details.py::test_a_field_that_staff_adjusted_stays[sqlite]",),
    ),
    Mutant(
        "as-of-directory",
        "an older read of a record replaces no newer one",
        "P3: data that arrives late undoes newer data",
        (
            Edit(
                "portal_db/directory/directories.py",
                "and_(DirectoryRecord.as_of < statement.excluded.as_of, ~synced_since)",
                "~synced_since",
            ),
        ),
        (f"{NEWS}::test_the_directory_keeps_the_newest_sight[sqlite]",),
    ),
    Mutant(
        "as-of-relationships",
        "an older list of relationships, of an older import, renews, supersedes and renames nothing",
        "P3: data that arrives late undoes newer data",
        (
            Edit(
                "handlers/relationships/merge.py",
                "is_newer = link.told_as_of is None or link.told_as_of < update.as_of\n",
                "is_newer = True\n",
            ),
            Edit(
                "handlers/relationships/merge.py",
                "link.import_begun_at is not None and begun_at <= link.import_begun_at:\n",
                "begun_at is None:\n",
            ),
        ),
        ("tests/handlers/imports/test_relationships.py::test_older_news_changes_nothing[sqlite]",),
    ),
    Mutant(
        "as-of-members",
        "a later import that read older data gives no team member an older name",
        "P3: data that arrives late undoes newer data",
        (
            Edit(
                "handlers/relationships/merge.py",
                "        if is_newer:\n            _rename_members(",
                "        if True:\n            _rename_members(",
            ),
        ),
        (f"{OLDER_LOOK}[sqlite]",),
    ),
    Mutant(
        "as-of-values",
        "a later import that read older data takes no values from it",
        "P3: data that arrives late undoes newer data",
        (
            Edit(
                "handlers/relationships/merge.py",
                "is_newer = link.told_as_of is None or link.told_as_of < update.as_of\n",
                "is_newer = True\n",
            ),
        ),
        (f"{OLDER_LOOK}[sqlite]",),
    ),
)

CONFINED = (
    Mutant(
        "confined-client",
        "a client is found in its own practice only",
        "invariant 6",
        (
            Edit(
                "portal_db/clients/clients.py",
                ".where(Client.id == client_id, Client.practice_id == practice_id)",
                ".where(Client.id == client_id)",
            ),
        ),
        (f"{CONFINEMENT}::test_a_client_is_found_in_its_own_practice_only[sqlite]",),
    ),
    Mutant(
        "confined-client-keys",
        "what belongs to a client names the client's own practice",
        "invariant 6: a link of one practice belongs to another's client",
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
                "portal_db/work/imports.py",
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
                "portal_db/work/imports.py",
                "statement.where(Import.practice_id == practice_id, is_any_time(Import.created_at))",
                "statement.where(is_any_time(Import.created_at))",
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
                "portal_db/work/imports.py",
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
                "portal_db/access/people.py",
                ', Staff.practice_id == bindparam("practice_id"))',
                ")",
            ),
        ),
        (
            "tests/handlers/imports/test_validate.py::test_staff_of_another_practice_are_turned_away_at_the_door[sqlite]",
        ),
    ),
    Mutant(
        "confined-record",
        "whether a record is already a client is decided within its own practice",
        "invariant 6: another firm's client keeps a record from being imported, and is disclosed by it",
        (
            Edit(
                "portal_db/work/in_use.py",
                "        XpmLink.practice_id == Import.practice_id,\n",
            ),
        ),
        (
            "tests/handlers/imports/test_validate.py::test_another_practice_may_import_the_same_record_with_an_own_email[sqlite]",
        ),
    ),
    Mutant(
        "confined-email",
        "a welcome email is read for its own practice only",
        "invariant 6",
        (
            Edit(
                "portal_db/welcome_emails.py",
                '        confined(WelcomeEmail.practice_id, bindparam("practice_id")),\n'
                '        confined(Client.practice_id, bindparam("practice_id")),\n',
                "",
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
                "portal_db/xero/requester.py",
                "and_(Staff.id == Import.requested_by, Staff.practice_id == Import.practice_id)",
                "Staff.id == Import.requested_by",
            ),
        ),
        (f"{CONFINEMENT}::test_an_import_does_not_run_for_staff_of_another_practice[sqlite]",),
    ),
    Mutant(
        "preflight-own-emails",
        "a forecast tells only of emails that a login of the practice itself has",
        "anybody could ask which of a list of people are other firms' clients",
        (Edit("portal_db/work/lookahead.py", ".where(or_(is_client, is_staff))", ""),),
        (f"{PREFLIGHT}::test_whose_clients_are_in_the_portal_is_not_foretold[sqlite]",),
    ),
    Mutant(
        "preflight-seen-records",
        "a forecast looks up no email for a record that the caller has not seen",
        "a list of addresses could be tried out with ids of nothing",
        (
            Edit(
                "handlers/imports/preflight.py",
                "        if row.xpm_uuid in seen:\n            with suppress(Rejected):\n                found.add(_claimed_email(row, seen[row.xpm_uuid]))",
                "        with suppress(Rejected):\n            found.add(_claimed_email(row, seen.get(row.xpm_uuid)))",
            ),
        ),
        (f"{PREFLIGHT}::test_addresses_are_not_tried_out_with_ids_of_nothing",),
    ),
    Mutant(
        "own-names-only",
        "an id tells a name only to who sees the record in XPM",
        "design §7: a manager reads names from a colleague's directory by posting ids",
        (
            Edit(
                "portal_db/work/recent_imports.py",
                ".where(XpmConnection.practice_id == practice_id, XpmConnection.staff_id == staff_id)",
                ".where(XpmConnection.practice_id == practice_id)",
            ),
        ),
        (f"{PREFLIGHT}::test_a_name_is_told_only_to_who_sees_the_record_in_xpm[sqlite]",),
    ),
    Mutant(
        "requested-names-only",
        "an import shows the name that its requester's own connection has seen",
        "design §7: a manager reads names from a colleague's directory by importing ids",
        (
            Edit(
                "portal_db/work/recent_imports.py",
                ".join(XpmConnection, XpmConnection.staff_id == Import.requested_by)",
                ".join(XpmConnection, XpmConnection.practice_id == Import.practice_id)",
            ),
        ),
        (f"{PREFLIGHT}::test_a_name_is_told_only_to_who_sees_the_record_in_xpm[sqlite]",),
    ),
)

MUTANTS = (*INDEXES, *OLDER_NEWS, *CONFINED)
