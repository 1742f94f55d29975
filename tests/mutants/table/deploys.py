"""Guards of rolling deploys: what releases that run side by side must know of each other (portal_db, worker, web)."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant

CANDIDATES = "portal_db/work/candidates.py"
WORKERS = "portal_db/work/workers.py"
MIGRATE = "portal_db/migrate.py"
PRESENCE = "worker/runner/presence.py"
DEPLOYS = "tests/worker/leader/test_rolling_deploys.py"
VALUES = "tests/portal_db/test_newer_values.py"

MUTANTS = (
    Mutant(
        "deploy-ring-elsewhere",
        "a job whose kind a worker does not know is rung again at once",
        "jobs of a new kind wait ten seconds for each old worker that they meet, and fill their practice's places",
        (Edit("worker/runner/runner.py", "ringing.ring_elsewhere(tx, unknown)", "pass"),),
        (
            "tests/worker/leader/test_rolling_deploys.py"
            "::test_a_worker_that_gets_one_all_the_same_leaves_it_without_an_attempt",
        ),
    ),
    Mutant(
        "kind-takes-no-place",
        "the relay rings a background job only if a running worker knows its kind",
        "jobs of a newer release's kind fill RING_LIMIT, and the practice's other imports starve",
        (Edit(CANDIDATES, "is_not(None), is_known(series.c), ", "is_not(None), "),),
        (f"{DEPLOYS}::test_kinds_that_no_running_worker_knows_take_no_places[sqlite]",),
    ),
    Mutant(
        "kind-interactive",
        "the same for interactive jobs",
        "jobs of a newer release's kind fill the look of the relay",
        (Edit(CANDIDATES, "Job.interactive, is_due(), is_free()", "Job.interactive, is_due()"),),
        (f"{DEPLOYS}::test_interactive_ones_wait_aside_too[sqlite]",),
    ),
    Mutant(
        "kind-rung-again",
        "the same for jobs that were rung and not claimed",
        "they are rung every ten seconds, and take places",
        (Edit(CANDIDATES, "may_be_claimed = and_(is_due(), is_free())", "may_be_claimed = is_due()"),),
        (f"{DEPLOYS}::test_what_was_rung_before_its_last_worker_went_is_not_rung_again[sqlite]",),
    ),
    Mutant(
        "kind-of-its-lane",
        "a worker counts for the lanes that it consumes",
        "jobs are rung on a lane where nobody knows them",
        (Edit(WORKERS, "WorkerKind.lane == of.lane, "),),
        (f"{DEPLOYS}::test_a_worker_of_other_lanes_does_not_count[sqlite]",),
    ),
    Mutant(
        "worker-is-running",
        "a worker that was not seen lately does not count",
        "jobs are rung for a worker that was killed",
        (
            Edit(
                WORKERS,
                "return Worker.seen_at.between(db_now(-Worker.lasts_seconds), db_now())",
                "return Worker.owner != ''",
            ),
        ),
        (f"{DEPLOYS}::test_a_worker_that_was_not_seen_lately_does_not_count[killed-sqlite]",),
    ),
    Mutant(
        "worker-from-the-future",
        "a worker that was seen in the future does not count",
        "after the clock went back, jobs are rung for a worker that was killed",
        (
            Edit(
                WORKERS,
                "Worker.seen_at.between(db_now(-Worker.lasts_seconds), db_now())",
                "Worker.seen_at > db_now(-Worker.lasts_seconds)",
            ),
        ),
        (f"{DEPLOYS}::test_a_worker_that_was_not_seen_lately_does_not_count[the clock went back-postgresql]",),
    ),
    Mutant(
        "worker-forgets",
        "a worker that stops is no longer in the record",
        "jobs are rung for a worker that has stopped",
        (Edit(PRESENCE, "workers.forget(tx, self._owner)\n        except", "pass\n        except"),),
        (f"{DEPLOYS}::test_a_worker_that_stops_is_forgotten_at_once_and_a_killed_one_after_a_day",),
    ),
    Mutant(
        "worker-forgotten",
        "killed workers are deleted from the record",
        "the table of workers grows without end",
        (Edit("handlers/operations/housekeeping.py", "            workers.forget_killed(tx)\n", "            pass\n"),),
        (f"{DEPLOYS}::test_a_worker_that_stops_is_forgotten_at_once_and_a_killed_one_after_a_day",),
    ),
    Mutant(
        "kind-told",
        "reconcile names jobs that no running worker knows",
        "nobody notices that a deploy was not finished",
        (Edit("handlers/operations/reconcile.py", " *_unknown_kinds(run),"),),
        (f"{DEPLOYS}::test_operations_are_told",),
    ),
    Mutant(
        "kind-logged",
        "the relay logs jobs that no running worker knows",
        "nobody notices that a deploy was not finished until the nightly reconcile",
        (Edit("worker/leader/relay.py", "        self._report_aside()\n"),),
        (f"{DEPLOYS}::test_operations_are_told",),
    ),
    Mutant(
        "kind-not-overdue",
        "jobs that no running worker knows are not overdue",
        "reconcile rings them, and says that workers are missing which are running",
        (Edit("portal_db/upkeep/discrepancies.py", "~waits_for_quota(), is_free())", "~waits_for_quota())"),),
        (f"{DEPLOYS}::test_operations_are_told",),
    ),
    Mutant(
        "lane-unknown",
        "jobs of a lane that this release does not know are not rung",
        "a job of a newer release's lane ends every look of the relay",
        (Edit(WORKERS, "return and_(of.lane.in_(tuple(Lane)), or_(", "return and_(of.lane != '', or_("),),
        (f"{DEPLOYS}::test_jobs_of_a_lane_that_only_a_newer_release_knows_stop_nobody[sqlite]",),
    ),
    Mutant(
        "newer-value",
        "a value that only a newer release knows is read as the text that it is",
        "the list of dead letters ends in an error",
        (Edit("portal_db/types.py", "    def __missing__(self,", "    def _missing(self,"),),
        (
            "tests/worker/cli/test_dead.py::"
            "test_a_class_of_errors_that_only_a_newer_release_knows_does_not_end_the_list",
            f"{VALUES}::test_an_unknown_value_equals_no_known_one_and_is_shown_as_it_is[Lane]",
        ),
    ),
    Mutant(
        "newer-role",
        "a role that only a newer release knows may do nothing",
        "a colleague who may only look imports",
        (
            Edit(
                "portal_db/states.py",
                "self in (Role.OWNER, Role.ACCOUNT_ADMIN, Role.PARTNER, Role.MANAGER)",
                "self is not Role.BASIC",
            ),
        ),
        (f"{VALUES}::test_an_unknown_role_may_do_nothing_that_a_known_one_must_be_allowed",),
    ),
    Mutant(
        "newer-tables",
        "a release works with the tables of a newer one",
        "a deploy takes out all old web processes as soon as it has migrated",
        (
            Edit(
                MIGRATE,
                " or (self.is_newer and self.broken_by is None)",
            ),
        ),
        ("tests/web/http/test_problems.py::test_ready_as_long_as_a_newer_releases_tables_can_be_worked_with",),
    ),
    Mutant(
        "breaking-tables",
        "unless the newer migration says that this release cannot",
        "a release writes into tables that it does not understand",
        (
            Edit(
                MIGRATE,
                "self.is_newer and self.broken_by is None",
                "self.is_newer",
            ),
        ),
        (
            "tests/portal_db/test_migrations.py::test_a_release_that_a_later_migration_has_left_behind_starts_nothing",
            "tests/web/http/test_problems.py::test_ready_as_long_as_a_newer_releases_tables_can_be_worked_with",
        ),
    ),
    Mutant(
        "deploy-templates",
        "a process keeps the templates that it started with",
        "an old process fills in a new release's template: pages end in errors, emails become dead letters",
        (Edit("config/templates.py", "    return FunctionLoader(found.get)\n", "    return files\n"),),
        ("tests/web/test_templates.py::test_a_process_keeps_the_templates_that_it_started_with",),
    ),
)
