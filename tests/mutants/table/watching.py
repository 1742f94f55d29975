"""Guards of what operators watch: logs of outcomes, liveness, checks and metrics (config, worker)."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant

LISTENER = "config/listener.py"
CHECKS = "worker/health/checks.py"
TEST_LISTENER = "tests/test_listener.py"
GAUGES = "worker/leader/gauges.py"
TEST_GAUGES = "tests/worker/leader/test_gauges.py"
TEST_ALERTS = "tests/deploy/test_alerts.py"
TEST_CHECKS = "tests/worker/health/test_checks.py"
OF_RECORD = "portal_db/upkeep/gauges.py"
TEST_OUTCOMES = "tests/worker/runner/test_outcomes.py"
TEST_CONSUMER = "tests/worker/queue/test_consumer.py"

MUTANTS = (
    Mutant(
        "listener-next-port",
        "a process takes the next port if one is taken",
        "only one process of a machine can be watched with shared settings",
        (Edit(LISTENER, "for port in range(first, min(first + PORTS, 65_536)):", "for port in (first,):"),),
        (f"{TEST_LISTENER}::test_processes_with_the_same_settings_take_different_ports",),
    ),
    Mutant(
        "listener-quiet",
        "the listener logs no requests",
        "P19: addresses and query strings of callers are in the log",
        (
            Edit(
                LISTENER,
                "    def log_message(self, *_: Any) -> None:",
                "    def log_no_message(self, *_: Any) -> None:",
            ),
        ),
        (f"{TEST_LISTENER}::test_it_answers_its_paths_and_no_others",),
    ),
    Mutant(
        "liveness-redis",
        "a consumer that waits for Redis goes round",
        "every worker is restarted again and again while Redis is away",
        (
            Edit(
                "worker/queue/broker.py",
                "        self.goes_round(queue_name)\n        try:\n            self.do_requeue(",
                "        try:\n            self.do_requeue(",
            ),
        ),
        (f"{TEST_CONSUMER}::test_a_consumer_goes_round_with_and_without_redis[True]",),
    ),
    Mutant(
        "liveness-standby",
        "a relay goes round whether it leads, stands by or meets an outage",
        "relays on standby, or in an outage, are restarted again and again",
        (
            Edit(
                "worker/leader/relay.py",
                "            self._goes_round()\n        self._note_leading(False)",
                "        self._note_leading(False)",
            ),
        ),
        (
            "tests/worker/leader/test_relay_outages.py"
            "::test_a_relay_goes_round_when_it_leads_stands_by_and_meets_an_outage[stands by]",
        ),
    ),
    Mutant(
        "outcome-recorded",
        "a job's failure is logged once it is recorded",
        "the log says that a job failed which another worker has done",
        (
            Edit(
                "worker/runner/runner.py",
                "        else:\n            outcomes.committed([job], began=began_recording)\n            outcomes.failed(job, error, began=began)\n",
                "        outcomes.failed(job, error, began=began)\n",
            ),
        ),
        (f"{TEST_OUTCOMES}::test_a_failure_that_is_not_ours_to_record_is_not_said",),
    ),
    Mutant(
        "lines-rendered-once",
        "the lines of a set are rendered once",
        "a set of fifty jobs costs fifty renderings",
        (
            Edit(
                "worker/runner/outcomes.py",
                '        log_each(log, "job.succeeded", [_names(job) for job in jobs], **_same(jobs[0], began))',
                '        for job in jobs:\n            log.info("job.succeeded", **_names(job), **_same(job, began))',
            ),
        ),
        (f"{TEST_OUTCOMES}::test_a_set_costs_one_event_of_the_log",),
    ),
    Mutant(
        "status-kept",
        "callers within some seconds get the same answer of /status",
        "whoever asks often enough keeps the database busy",
        (Edit("worker/health/status.py", "self._kept is None or now >= self._kept_until", "True"),),
        (f"{TEST_CHECKS}::test_the_status_is_one_word_and_quotes_nothing",),
    ),
    Mutant(
        "doctor-tls",
        "the mail server is to be reached over TLS, except on this machine",
        "passwords and activation links travel unprotected, and nobody notices",
        (Edit(CHECKS, "if not is_encrypted and urlsplit", "if False and urlsplit"),),
        (f"{TEST_CHECKS}::test_what_travels_unprotected_is_found",),
    ),
    Mutant(
        "gauges-of-leader",
        "only the leader reads the gauges of the record",
        "every process reads the record again and again, and what they say is added up",
        (Edit(GAUGES, "read(self._sight) if self._leads() else {}", "read(self._sight)"),),
        (f"{TEST_GAUGES}::test_only_the_leader_reads_the_record",),
    ),
    Mutant(
        "gauges-newer-lane",
        "jobs of a lane that only a newer release knows are counted under its name",
        "during a deploy there are no gauges, and no alert can fire",
        (
            Edit(
                GAUGES,
                "defaultdict(float, {(lane, state): 0.0 for lane in Lane for state in _STATES})",
                "{(lane, state): 0.0 for lane in Lane for state in _STATES}",
            ),
        ),
        (f"{TEST_GAUGES}::test_jobs_of_a_lane_that_only_a_newer_release_knows_are_counted_under_its_name[sqlite]",),
    ),
    Mutant(
        "gauges-bug",
        "a bug leaves no gauges, and does not end the thread",
        "the last values stay as they are for ever: no alert fires, and none ends",
        (Edit(GAUGES, "except Exception as error:", "except redis.RedisError as error:"),),
        (f"{TEST_GAUGES}::test_a_mistake_of_ours_leaves_no_old_values_and_does_not_end_the_thread",),
    ),
    Mutant(
        "aside-by-index",
        "jobs of unknown kinds are looked for in the indexes of open jobs",
        "the relay reads all finished jobs once a minute",
        (
            Edit(
                "portal_db/work/aside.py",
                "of_lane.where(was_rung(), ~is_known())",
                "of_lane.where(Job.state.in_([JobState.QUEUED, JobState.WAITING]), Job.rung_at.is_not(None), ~is_known())",
            ),
            Edit("portal_db/work/aside.py", "import Lane", "import JobState, Lane"),
        ),
        ("tests/portal_db/work/test_aside.py::test_jobs_that_wait_aside_are_found_in_the_indexes_of_open_jobs",),
    ),
    Mutant(
        "oldest-not-held",
        "a job that the quota holds back is not overdue",
        "somebody is called each time the quota is used up",
        (
            Edit(
                "portal_db/work/open_jobs.py",
                "return case((~by_quota, first.scalar_subquery()))",
                "return first.scalar_subquery()",
            ),
        ),
        (f"{TEST_GAUGES}::test_the_oldest_due_job_is_one_that_nothing_holds_back[sqlite]",),
    ),
    Mutant(
        "alerts-exist",
        "alerts and dashboard use metrics that exist",
        "an alert never fires, because what it looks at was renamed",
        (Edit("config/deploy/prometheus/alerts.yml", "(sum(portal_sync_relay_leader)", "(sum(portal_sync_relays)"),),
        (f"{TEST_ALERTS}::test_rules_and_dashboard_use_metrics_and_labels_that_exist",),
    ),
    Mutant(
        "alerts-in-runbook",
        "each alert is a section of the runbook",
        "somebody is called at night, and finds nothing to do",
        (
            Edit(
                "docs/operations.md",
                "### No worker takes a lane\n",
                "### No worker takes jobs\n",
            ),
        ),
        (f"{TEST_ALERTS}::test_every_alert_leads_to_a_section_of_the_runbook_and_is_listed_there",),
    ),
    Mutant(
        "gauges-redis-away",
        "the leader notices that Redis is away",
        "nobody is called while nothing is rung",
        (Edit(GAUGES, "        away = 1.0\n", "        away = 0.0\n"),),
        (f"{TEST_GAUGES}::test_conditions_that_need_a_person_are_counted[sqlite]",),
    ),
    Mutant(
        "gauges-sync-of-unused",
        "a directory that nobody uses and that is synced for its links counts from its last full sync",
        "recurring work is said to be late while it is done each night",
        (Edit(OF_RECORD, "coalesce(Directory.last_full_at, latest, Dir", "coalesce(Directory.last_full_at, Dir"),),
        (f"{TEST_GAUGES}::test_a_directory_that_nobody_uses_is_late_only_while_it_is_synced_for_its_links[sqlite]",),
    ),
    Mutant(
        "gauges-unused",
        "a directory that is not synced because nobody uses it is not late",
        "recurring work is said to be late for ever, and nobody looks any more",
        (
            Edit(
                OF_RECORD,
                'or_(Schedule.paused_at.is_not(None), Schedule.skipped_code == "not_used")',
                "Schedule.paused_at.is_not(None)",
            ),
        ),
        (f"{TEST_GAUGES}::test_a_directory_that_nobody_uses_and_that_has_no_links_is_not_late[sqlite]",),
    ),
    Mutant(
        "gauges-never-succeeded",
        "nightly work that has never succeeded counts from its planning",
        "nobody learns that reconcile or housekeeping has failed every night",
        (Edit(OF_RECORD, "select(func.coalesce(latest, Schedule.created_at))", "select(latest)"),),
        (f"{TEST_GAUGES}::test_nightly_work_counts_from_its_planning_until_it_succeeds[sqlite]",),
    ),
    Mutant(
        "counters-at-zero",
        "what alerts wait for is counted from zero",
        "the first malformed message of a process is never noticed",
        (Edit("config/metrics.py", "        made.labels(value)\n", "        pass\n"),),
        (
            "tests/test_metrics.py::test_a_new_process_has_counted_none_of_what_alerts_wait_for"
            "[portal_sync_door_messages-results0]",
        ),
    ),
    Mutant(
        "prometheus-all-ports",
        "Prometheus asks at every port that a process of a machine may listen on",
        "the process that started last is watched by nobody",
        (Edit("config/deploy/prometheus/prometheus.yml", "          - 127.0.0.1:9406\n"),),
        ("tests/deploy/test_files.py::test_prometheus_asks_at_every_port_that_a_process_may_listen_on",),
    ),
)
