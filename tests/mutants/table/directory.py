"""Guards of the directory: what a sync may change, what it holds back, and what is taken from it."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant

SYNCS, SYNC = "portal_db/directory/syncs.py", "handlers/directory/sync.py"
CRASHES, DROPS = "tests/handlers/directory/test_crashes.py", "tests/handlers/directory/test_accept_missing.py"
FRESH, SEARCH, PURGE = (f"tests/handlers/directory/test_{name}.py" for name in ("freshness", "search", "purge"))
RUNS, KINDS = (f"tests/handlers/directory/test_{name}.py" for name in ("sync", "classification"))

MUTANTS = (
    Mutant(
        "directory-one-sync",
        "unique index: one sync of a directory runs at a time",
        "two answers are merged in any order, and each call is made twice",
        (
            Edit(
                "portal_db/migrations/versions/0005_directory.py",
                '"directory_syncs", ["directory_id"], unique=True,',
                '"directory_syncs", ["directory_id"], unique=False,',
            ),
        ),
        (f"{RUNS}::test_one_sync_of_a_directory_runs_at_a_time[sqlite]",),
    ),
    Mutant(
        "directory-restage",
        "a sync that starts again drops what an earlier attempt staged",
        "records that disappeared between two attempts stay",
        (Edit(SYNCS, "    drop_staged(tx, sync_id)\n    return found\n", "    return found\n"),),
        (f"{CRASHES}::test_what_an_earlier_attempt_staged_counts_for_nothing",),
    ),
    Mutant(
        "directory-lease",
        "a worker that lost the lease stages nothing more",
        "P3: a worker that was taken for dead adds to another's answer",
        (Edit("portal_db/work/jobs.py", ".with_for_update()) is None:", ".with_for_update()) is None and False:"),),
        (f"{CRASHES}::test_who_lost_the_lease_stages_nothing_more[sqlite]",),
    ),
    Mutant(
        "directory-abandoned",
        "a sync whose job is no longer open is ended when the next is requested",
        "the directory is never synced again",
        (Edit("handlers/directory/sync.py", "    _end_abandoned(tx, directory_id)\n    wanted", "    wanted"),),
        (f"{CRASHES}::test_a_sync_whose_job_was_dismissed_does_not_stand_in_the_way",),
    ),
    Mutant(
        "directory-sharp-drop",
        "a full sync that would lose many records holds them",
        "an incomplete answer empties the rest of the directory",
        (
            Edit(
                SYNCS,
                "        if absent and (not seen or absent == present or drop.is_sharp(absent, present)):",
                "        if drop.is_sharp(0, present):",
            ),
        ),
        (f"{DROPS}::test_a_sharp_drop_is_held_until_it_is_accepted[sqlite]",),
    ),
    Mutant(
        "directory-everything-gone",
        "a full sync in which everything is gone holds it, however little that is",
        "an empty answer marks a small practice's clients gone",
        (Edit(SYNCS, "not seen or absent == present or drop", "drop"),),
        (
            "tests/handlers/directory/test_odd_answers.py::test_everything_gone_is_held_however_few_there_were[3-postgresql]",
        ),
    ),
    Mutant(
        "directory-absent-full",
        "only a full answer marks records as gone",
        "after fifteen minutes all unchanged records are gone",
        (Edit(SYNC, "whole = sync.mode is SyncMode.FULL and not answer.unnamed", "whole = not answer.unnamed"),),
        (f"{RUNS}::test_who_vanishes_from_a_full_answer_is_gone_and_comes_back_when_listed_again[sqlite]",),
    ),
    Mutant(
        "directory-accept-shown",
        "an operator accepts exactly what was shown",
        "after a sync in between, an operator accepts records they never saw",
        (Edit("handlers/directory/accept_missing.py", "        if done != count:", "        if done < count:"),),
        (f"{DROPS}::test_a_sharp_drop_is_held_until_it_is_accepted[sqlite]",),
    ),
    Mutant(
        "directory-unread",
        "a record that cannot be read is staged, so that it is not gone",
        "one odd record, and the client's people are gone",
        (Edit(SYNC, "            self._put([_unread_row(uuid)", "            list([_unread_row(uuid)"),),
        (f"{DROPS}::test_a_record_that_cannot_be_read_keeps_its_row_and_is_not_taken_for_news[sqlite]",),
    ),
    Mutant(
        "directory-unread-many",
        "a long answer of which nothing can be read is refused",
        "a new format of XPM's answer is treated as a practice of odd records",
        (Edit(SYNC, "    staging.require_readable(drop)\n"),),
        (f"{DROPS}::test_an_answer_of_which_nothing_can_be_read_changes_nothing",),
    ),
    Mutant(
        "directory-vouched",
        "a row that the last answer missed or could not read does not count as current",
        "an import of somebody whom XPM no longer lists",
        (
            Edit(
                "handlers/directory/lookup.py",
                "seen is None or seen.gone_at or seen.missing_since or seen.unread_since",
                "seen is None",
            ),
        ),
        (
            f"{FRESH}::test_a_record_that_is_gone_is_not_taken_from_the_directory",
            f"{DROPS}::test_a_record_that_cannot_be_read_keeps_its_row_and_is_not_taken_for_news[sqlite]",
        ),
    ),
    Mutant(
        "directory-fresh",
        "an import may read from the directory for twenty minutes",
        "b.15: yesterday's details are imported as today's",
        (Edit("handlers/directory/lookup.py", "FRESH = timedelta(minutes=20)", "FRESH = timedelta(days=20)"),),
        (f"{FRESH}::test_long_after_it_asks_once_and_keeps_what_it_saw",),
    ),
    Mutant(
        "directory-corrected",
        "after a rejection XPM is called instead of the directory",
        "a record corrected in XPM is rejected again for the same reason",
        (
            Edit(
                "handlers/directory/lookup.py",
                "max(oldest, requester.last_rejected_at) if requester.last_rejected_at is not None else oldest",
                "oldest",
            ),
        ),
        (f"{FRESH}::test_after_a_refusal_xpm_is_asked_so_that_a_correction_there_is_seen",),
    ),
    Mutant(
        "directory-brings-more",
        "Import items for an existing client calls XPM",
        "b.16: Import items after a change in XPM imports the older data",
        (Edit("handlers/directory/lookup.py", "if row.epoch > 1 or _brings_more(requester):", "if row.epoch > 1:"),),
        (f"{FRESH}::test_bringing_more_to_a_client_who_is_there_always_asks",),
    ),
    Mutant(
        "directory-wholly",
        "relationships of an existing client are not imported on the word of an incremental sync",
        "Import items after a change of relationships in XPM imports none of it",
        (
            Edit(
                "handlers/directory/lookup.py",
                "known_at = confirmed_at(requester.record, requester.directory, wholly=wholly)",
                "known_at = confirmed_at(requester.record, requester.directory)",
            ),
        ),
        (f"{FRESH}::test_an_incremental_sync_does_not_stand_in_for_asking_about_relationships",),
    ),
    Mutant(
        "directory-person-first",
        "a structure that says person first is not an entity because a type is named after it",
        "a client who directs a company cannot be imported as the person they are",
        (
            Edit(
                "handlers/directory/classification.py",
                "return frozenset({ClientKind.ENTITY}) if comes_first else both",
                "return frozenset({ClientKind.ENTITY})",
            ),
        ),
        (
            "tests/handlers/directory/test_classification.py"
            "::test_a_person_of_whom_an_entity_is_said_may_be_either[Person in Partnership]",
        ),
    ),
    Mutant(
        "directory-known-type",
        "a common word for an entity decides before the word individual",
        "b.4: a fund with individual trustees is imported as a person, with a login",
        (
            Edit(
                "handlers/directory/classification.py",
                "if _named_in(structure) not in (None, EntityType.SOLE_TRADER):",
                "if not _PERSON.search(structure) and _named_in(structure) not in (None, EntityType.SOLE_TRADER):",
            ),
        ),
        (f"{KINDS}::test_a_structure_that_says_what_it_is[SMSF - Individual Trustee-Super Fund]",),
    ),
    Mutant(
        "directory-non-individual",
        "a non-individual is not a person",
        "b.4: an entity cannot be imported as one",
        (Edit("handlers/directory/classification.py", "(?<!non[- ])"),),
        (f"{KINDS}::test_a_structure_of_the_practice_s_own_is_for_the_requester_to_say[Non-Individual]",),
    ),
    Mutant(
        "directory-older-sight",
        "a read from before the last sync replaces nothing",
        "P3: data that arrives late undoes newer data, where the sync left a row unchanged",
        (
            Edit(
                "portal_db/directory/directories.py",
                "and_(DirectoryRecord.as_of < statement.excluded.as_of, ~synced_since)",
                "DirectoryRecord.as_of < statement.excluded.as_of",
            ),
        ),
        (f"{RUNS}::test_an_older_sight_of_a_record_that_a_sync_left_alone_changes_nothing[sqlite]",),
    ),
    Mutant(
        "directory-newer-sight",
        "a sync changes no row that was read after its request",
        "P3: an answer that took minutes undoes what an import read meanwhile",
        (Edit(SYNCS, "where=and_(self._older, or_(is_other, flagged)),", "where=or_(is_other, flagged),"),),
        (f"{RUNS}::test_a_row_that_was_seen_after_the_sync_had_asked_stays[sqlite]",),
    ),
    Mutant(
        "directory-erased",
        "people who asked to be erased are not merged",
        "a privacy request is undone every night",
        (Edit(SYNCS, "    answer.leave_out_erased()\n"),),
        (f"{DROPS}::test_who_asked_to_be_forgotten_stays_out[sqlite]",),
    ),
    Mutant(
        "directory-erased-meanwhile",
        "a list requested before somebody was erased is read again",
        "other clients' relationships still name them",
        (Edit(SYNC, "    if syncs.has_erasure_since(tx, directory, answer.as_of):", "    if False:"),),
        (f"{DROPS}::test_a_list_read_while_somebody_asked_to_be_forgotten_is_read_again",),
    ),
    Mutant(
        "directory-purge-imported",
        "people who were imported are not purged",
        "clients whose relationships can never be re-synced",
        (Edit("portal_db/directory/purge.py", "and_(~imported, or_(", "and_(or_("),),
        (f"{PURGE}::test_a_day_after_the_last_connection_was_cut[sqlite]",),
    ),
    Mutant(
        "directory-literal",
        "a search text is matched literally",
        "a search for 100% finds everybody",
        (Edit("portal_db/names.py", "key.contains(word, autoescape=True)", "key.contains(word)"),),
        (f"{SEARCH}::test_names_are_found_by_any_part_in_any_case_and_script[sqlite]",),
    ),
    Mutant(
        "directory-statistics",
        "a directory that was filled gets statistics at once",
        "each look-up of a new practice's first sync reads the whole directory",
        (Edit(SYNCS, "        refresh_statistics(tx, DirectoryRecord)\n", "        pass\n"),),
        (
            "tests/handlers/directory/test_statistics.py::test_a_new_directory_is_not_read_whole_for_one_record[new postgresql]",
        ),
    ),
    Mutant(
        "held-while-missing",
        "a directory is held only while records of it are missing",
        "the inbox and the alert name a directory in which nothing is left to accept",
        (Edit("portal_db/directory/directories.py", "Directory.id.in_(syncs), missing)", "Directory.id.in_(syncs))"),),
        (f"{DROPS}::test_those_who_are_listed_again_are_held_no_more",),
    ),
)
