"""Guards of the review queue: what reviewers decide, and what imports and re-syncs leave of it."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant

QUEUE = "portal_db/clients/review_items.py"
NEWS = "handlers/relationships/merge.py"
REVIEW = "handlers/relationships/review.py"
DECIDED = "tests/handlers/relationships/test_review.py"
UNDO = "handlers/relationships/undo.py"
UNLINKED = f"{DECIDED}::test_a_member_that_was_unlinked_and_linked_again_is_as_before_after_an_undo"
MODEL = "tests/handlers/relationships/test_review_model.py::test_any_sequence_ends_in_the_model_s_state"
DIRECTION = "tests/handlers/relationships/test_direction.py"

MUTANTS = (
    Mutant(
        "review-once",
        "an item is decided only while it is pending and unchanged since the reviewer saw it",
        "b.26: two reviewers both succeed, and the second undoes the first",
        (
            Edit(
                QUEUE,
                "Relationship.id == item_id, Relationship.state == ReviewState.PENDING, Relationship.version == version",
                "Relationship.id == item_id",
            ),
        ),
        (
            f"{DECIDED}::test_an_item_that_was_decided_about_is_not_decided_about_again",
            f"{DECIDED}::test_of_two_reviewers_one_wins_and_the_other_is_told[sqlite]",
            f"{DECIDED}::test_bulk_ignore_takes_the_chosen_pending_items_and_no_others",
        ),
    ),
    Mutant(
        "review-in-sight",
        "items of clients that the reviewer may not see are not ignored",
        "invariant 6: staff decide about other practices' clients",
        (Edit(QUEUE, "for item_id, version in chosen)), is_visible)", "for item_id, version in chosen)))"),),
        (f"{DECIDED}::test_only_staff_who_see_the_client_see_its_items",),
    ),
    Mutant(
        "review-suggests-in-sight",
        "a client that the reviewer may not see is not suggested",
        "b.29: staff learn of clients that they may not see",
        (
            Edit(
                QUEUE,
                "XpmLink.disconnected_at.is_(None), viewer.may_see_client())\n    )\n    clients =",
                "XpmLink.disconnected_at.is_(None))\n    )\n    clients =",
            ),
        ),
        (f"{DECIDED}::test_an_item_suggests_the_client_that_its_other_side_is_or_becomes",),
    ),
    Mutant(
        "review-record-tied-once",
        "a record that is linked to a team member is not linked to another",
        "b.22: one source record becomes two members",
        (Edit(REVIEW, " or (tied is not None and tied.id != member_id):", ":"),),
        (f"{DECIDED}::test_a_member_or_a_record_that_is_tied_is_not_tied_anew",),
    ),
    Mutant(
        "review-co-owner-email",
        "a co-owner's address is reserved by the unique index over logins",
        "b.23: two people sign in with one address",
        (Edit(REVIEW, "    if not people.add_login(", "    if False and not people.add_login("),),
        (f"{DECIDED}::test_a_co_owner_needs_an_email_that_nobody_on_the_platform_has",),
    ),
    Mutant(
        "review-amended-name",
        "XPM does not overwrite a name that a reviewer changed",
        "b.21: each import undoes what the reviewer corrected",
        (Edit(NEWS, " or member.name_is_override:", ":"),),
        (f"{DECIDED}::test_news_of_a_tied_record_reach_the_team_unless_the_name_was_amended",),
    ),
    Mutant(
        "review-disconnect-unties",
        "disconnecting a client removes its team members' links",
        "b.36: a wrong link cannot be undone",
        (Edit("portal_db/clients/clients.py", "    relationships.drop_ties(tx, client_id)\n"),),
        (f"{DECIDED}::test_disconnecting_undoes_ties_and_keeps_what_was_imported",),
    ),
    Mutant(
        "undo-without-the-unlinking",
        "an undo takes back what the last decision changed in a member, not the unlinking before it",
        "an undo ends in an error, or is refused because a colleague unlinked the member",
        (Edit(UNDO, " if change.field != UNLINKED]", "]"),),
        (f"{UNLINKED}[postgresql-the reviewer]", f"{UNLINKED}[postgresql-a colleague]"),
    ),
    Mutant(
        "undo-unlinks",
        "an undo unlinks a member also if the decision changed nothing else in them",
        "the item awaits review, but its record is still linked and cannot be linked to anybody else",
        (Edit(UNDO, "    if changes is None or member_id is None:", "    if not changes or member_id is None:"),),
        (f"{UNLINKED}[sqlite-the reviewer]",),
    ),
    Mutant(
        "resync-revives-nothing",
        "only a person's import offers ignored items again",
        "b.20: each night brings back what reviewers ignored",
        (Edit(NEWS, "    if update.begun_at is not None:\n", "    if True:\n"),),
        (MODEL,),
    ),
    Mutant(
        "resync-supersedes-in-place",
        "a pending item that XPM reports again is the same item",
        "b.27: duplicates accumulate",
        (
            Edit(
                NEWS,
                '            row |= {**relationship.columns(), **kept, "gone_at": None}\n',
                '            row |= {"gone_at": None}\n',
            ),
        ),
        (MODEL,),
    ),
    Mutant(
        "resync-after-a-colleagues-import",
        "a re-sync follows what the last full sync saw, also in a record that has not changed since",
        "a relationship that a colleague's import brought stays for ever, although XPM took it back",
        (
            Edit(
                "portal_db/directory/resyncs.py",
                "return case((was_read, read_at), else_=DirectoryRecord.as_of)",
                "return DirectoryRecord.as_of",
            ),
        ),
        (
            "tests/handlers/relationships/test_resync.py"
            "::test_what_a_colleagues_import_brought_ends_when_xpm_is_as_it_was_before[sqlite]",
        ),
    ),
    Mutant(
        "resync-erased-elsewhere",
        "a relationship to somebody whom another practice erased does not end",
        "a privacy request to one practice changes another's clients",
        (Edit(NEWS, "            if key[1] not in withheld:\n", "            if True:\n"),),
        (
            "tests/handlers/relationships/test_resync.py"
            "::test_whom_another_practice_erased_from_a_directory_that_both_read_has_not_ended[sqlite]",
        ),
    ),
    Mutant(
        "resync-under-its-lease",
        "each chunk is written under the job's lease",
        "invariant 5: a worker that lost its lease writes at the same time as its successor",
        (
            Edit(
                "handlers/relationships/resync.py",
                "            hold(tx, job)\n            merged =",
                "            merged =",
            ),
        ),
        ("tests/handlers/relationships/test_resync.py::test_a_worker_that_was_cut_off_writes_nothing_more",),
    ),
    Mutant(
        "relationship-to-itself",
        "a relationship to oneself is marked as a slip and suggests nobody",
        "a reviewer adds a client to their own team, as their own spouse",
        (Edit("handlers/relationships/review_queue.py", "is_slip = queued.is_to_itself", "is_slip = False"),),
        (
            "tests/handlers/relationships/test_review.py::"
            "test_a_relationship_to_oneself_is_marked_as_a_slip_and_suggests_nobody[Spouse]",
        ),
    ),
    Mutant(
        "direction-by-types-first",
        "the kinds of the two sides decide before the label",
        "facts on XPM §3: a company becomes the director of a person",
        (
            Edit(
                "handlers/relationships/direction.py",
                "    if len(possible) == 1:\n",
                "    if not possible and len(labels) == 0:\n",
            ),
        ),
        (f"{DIRECTION}::test_a_person_is_it_and_the_company_is_not_whatever_the_label_says[Director]",),
    ),
)
