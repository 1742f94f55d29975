"""Guards of the schedule and of handing over: what is due happens once, not when it should not, and to nobody else's clients."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant

SCHEDULES = "portal_db/directory/schedules.py"
SCHEDULING = "handlers/schedule/due.py"
SKIPS = "handlers/schedule/due.py"
TIMES = "handlers/schedule/times.py"
REASSIGN = "handlers/integration/handover.py"
HANDOVER = "portal_db/xero/handover.py"
TAKING_ON = "tests/handlers/schedule/test_due.py"
SYNC_TIMES = "tests/handlers/schedule/test_times.py"
LEAVING = "tests/handlers/schedule/test_leaving.py"
PASSED_OVER = f"{TAKING_ON}::test_a_due_time_is_passed_over_with_the_reason"


def _skip(name: str, guard: str, answers: str, old: str, code: str) -> Mutant:
    return Mutant(name, guard, answers, (Edit(SKIPS, old, "if False:"),), (f"{PASSED_OVER}[{code}]",))


MUTANTS = (
    Mutant(
        "schedule-due-time-once",
        "a due time that was claimed cannot be claimed again: a unique key",
        "design §6: two leaders start the same sync",
        (
            Edit(
                SCHEDULES,
                "    if not insert_or_ignore(tx, ScheduledRun, row):\n        return False\n",
                "    insert_or_ignore(tx, ScheduledRun, row)\n",
            ),
        ),
        (
            "tests/worker/leader/test_scheduler.py::test_of_many_who_claim_a_due_time_one_has_it[sqlite]",
            f"{TAKING_ON}::test_of_two_who_saw_it_due_one_takes_it_on[sqlite]",
        ),
    ),
    Mutant(
        "schedule-leader-at-claim",
        "a process that is not the leader at the moment of the claim claims nothing",
        "design §6: a delayed leader works at the same time as the new one",
        (Edit(SCHEDULING, "if not leaders.is_held(tx, leaders.RELAY, by=owner):", "if False:"),),
        (f"{TAKING_ON}::test_who_does_not_lead_any_more_takes_nothing_on",),
    ),
    Mutant(
        "schedule-missed-once",
        "the next due time is after now, however many were missed",
        "a relay that was away for hours runs every missed quarter of an hour",
        (Edit(SCHEDULING, ".next_after(plan.clock(tx))\n        if not", ".next_after(due_at)\n        if not"),),
        (f"{TAKING_ON}::test_missed_times_are_made_good_by_one_run",),
    ),
    Mutant(
        "schedule-clocks-put-back",
        "of a wall-clock time that occurs twice, a nightly sync takes only the first",
        "two full syncs in the night in which the clocks are put back",
        (Edit(TIMES, "if not (self.once and moment.astimezone(self.zone).fold):", "if True:"),),
        (f"{SYNC_TIMES}::test_a_night_in_which_the_clocks_are_changed[Australia/Sydney-night4-02:30-02:30+1100]",),
    ),
    Mutant(
        "schedule-stretched",
        "incremental syncs are further apart where several logins share a tenant's quota",
        "invariant 4: syncs use up the quota that people need",
        (Edit(TIMES, "if directories * calls <= share_of(day_limit):", "if True:"),),
        (f"{SYNC_TIMES}::test_syncs_are_stretched_to_stay_within_a_tenth_of_the_day[5000-11-20]",),
    ),
    _skip(
        "schedule-skip-paused",
        "a paused schedule starts nothing",
        "an operator's pause has no effect",
        "if schedule.paused_at is not None:",
        "schedule_paused",
    ),
    _skip(
        "schedule-skip-work-paused",
        "a pause of the practice, the lane or the kind holds back its syncs too",
        "jobs accumulate behind a pause",
        "if all(paused):",
        "work_paused",
    ),
    Mutant(
        "schedule-shared-directory",
        "a sync is a job of a practice that is not paused, where there is one",
        "one practice's pause stops the syncs of everybody who reads the same directory",
        (Edit("handlers/directory/sync.py", "if not stopping(tx, each)), readers[0])", "if True), readers[0])"),),
        (f"{TAKING_ON}::test_a_practice_that_is_paused_holds_up_nobody_who_reads_the_same_directory",),
    ),
    _skip(
        "schedule-skip-running",
        "no sync is started while another of the directory runs",
        "its due time counts as done, and nothing was done",
        "if running is not None:",
        "still_running",
    ),
    Mutant(
        "schedule-full-waits",
        "the night's full sync waits for a sync of changes that is under way",
        "after a night without a relay, the full sync is skipped until the next night",
        (Edit(SCHEDULING, "if skip is not None and skip.only_for_now:", "if False:"),),
        (f"{TAKING_ON}::test_the_nights_full_sync_waits_for_a_sync_of_changes_that_is_under_way",),
    ),
    _skip(
        "schedule-skip-share",
        "syncs that used their tenth of the tenant's day must wait",
        "invariant 4: syncs use up the quota that people need",
        "if conditions.syncs_today >= schedule_times.share_of(day_limit):",
        "share_used",
    ),
    _skip(
        "schedule-skip-quota",
        "syncs do not use the last tenth of the day's calls",
        "invariant 4: syncs use up the quota that people need",
        "if calls_left is not None and calls_left < day_limit * SPARE:",
        "short_of_quota",
    ),
    Mutant(
        "reassign-seen-records",
        "only clients whose XPM record the colleague sees are moved",
        "b.13: a client is linked through a connection that cannot read it",
        (Edit(HANDOVER, "        DirectoryRecord.gone_at.is_(None),\n", ""),),
        (f"{LEAVING}::test_a_colleague_takes_on_the_clients_whose_records_they_see[sqlite]",),
    ),
    Mutant(
        "reassign-same-tenant",
        "the colleague's connection works, and leads to the same practice in XPM",
        "b.13: a client is linked through a connection that cannot read it",
        (
            Edit(
                REASSIGN,
                "if to is None or to.state is not ConnectionState.CONNECTED or to.tenant_id != row.tenant_id:",
                "if to is None:",
            ),
        ),
        (
            f"{LEAVING}::test_a_colleague_who_cannot_read_them_is_refused[other tenant-colleague_not_connected]",
            f"{LEAVING}::test_a_colleague_who_cannot_read_them_is_refused[broken-colleague_not_connected]",
        ),
    ),
    Mutant(
        "reassign-own-practice",
        "staff move clients of their own practice only",
        "invariant 6: another firm removes a practice's clients from their connection",
        (
            Edit(
                REASSIGN,
                "if row is None or (act.viewer is not None and row.practice_id != act.viewer.practice_id):",
                "if row is None:",
            ),
        ),
        (f"{LEAVING}::test_staff_move_clients_of_their_own_practice_only",),
    ),
)
