"""Guards of what operators do: acts on many dead letters, and the console."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant

ACTS = "portal_db/work/bulk_acts.py"
BULK = "tests/handlers/operations/test_bulk.py"

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
        (f"{BULK}::test_a_stop_counts_also_in_the_middle_of_a_piece",),
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
)
