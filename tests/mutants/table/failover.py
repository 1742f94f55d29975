"""Guards against outages of the database and failovers of either server: an outage is no bug, and loses nothing."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant

DATABASE = "portal_db/database.py"
FAILOVER = "tests/worker/test_failover.py"
SILENCE = "tests/portal_db/test_silence.py"
REDIS = "config/redis_connections.py"
REDIS_FAILOVER = "tests/worker/queue/test_failover.py"
_REFUSED = f"{REDIS_FAILOVER}::test_a_refused_call_makes_the_next_one_find_the_new_primary"

MUTANTS = (
    Mutant(
        "read-only-is-away",
        "a database that takes no writes is an outage",
        "P1: requests at the door are kept as malformed, jobs become dead letters",
        (Edit(DATABASE, "if state not in (_IDLED, _READ_ONLY):", "if state != _IDLED:"),),
        (
            f"{FAILOVER}::test_requests_at_the_door_of_a_read_only_database_wait_and_are_recorded_afterwards[postgresql]",
        ),
    ),
    Mutant(
        "read-only-pool",
        "a connection that finds itself read-only is thrown away with its pool",
        "after a failover a process stays on the demoted server until it is restarted",
        (Edit(DATABASE, "        context.is_disconnect = True\n", "        pass\n"),),
        (f"{FAILOVER}::test_a_connection_that_finds_itself_read_only_is_thrown_away_with_its_pool[postgresql]",),
    ),
    Mutant(
        "lane-outage-no-bug",
        "a job's message met by an outage is not called a bug",
        "each outage sends the operator to the developers",
        (
            Edit(
                "worker/queue/broker.py", "isinstance(exception, DATABASE_AWAY) and ", "isinstance(exception, ()) and "
            ),
        ),
        (
            f"{FAILOVER}::test_requests_at_the_door_of_a_read_only_database_wait_and_are_recorded_afterwards[postgresql]",
        ),
    ),
    Mutant(
        "start-waits",
        "a process that starts without its database waits for it",
        "processes have to be started again after an outage",
        (Edit("worker/cli/processes.py", "except DatabaseAway as away:", "except () as away:"),),
        (f"{FAILOVER}::test_a_process_that_waits_for_its_database_ends_when_told_to",),
    ),
    Mutant(
        "silent-host",
        "a database whose host falls silent is given up within seconds",
        "a host without power or behind a broken network stops every process for up to two hours",
        (Edit(DATABASE, "**{name: _SILENCE[name] for name in _SILENCE.keys() - parsed.query},"),),
        (f"{SILENCE}::test_every_connection_gives_a_silent_host_up[write]",),
    ),
    Mutant(
        "silent-host-by-address",
        "what the database's address says about silence goes before ours",
        "an operator with a slow network cannot give it more time",
        (Edit(DATABASE, "_SILENCE.keys() - parsed.query", "_SILENCE"),),
        (f"{SILENCE}::test_what_the_address_names_goes_before_ours",),
    ),
    Mutant(
        "redis-primary",
        "a connection to Redis that is refused as by a replica is made anew",
        "after a failover a process stays on the demoted server until it is restarted: it takes no job, rings none, has no permits",
        (Edit(REDIS, "                self.mark_for_reconnect()", "                pass"),),
        (
            f"{_REFUSED}[demoted]",
            f"{REDIS_FAILOVER}::test_so_it_is_with_every_sort_of_address[rediss]",
            f"{REDIS_FAILOVER}::test_permits_are_given_again",
            f"{REDIS_FAILOVER}::test_a_worker_and_a_relay_continue",
        ),
    ),
    Mutant(
        "redis-primary-of-scripts",
        "a connection to Redis that is so refused within the error of a script is made anew",
        "with Redis 6.2 consumers and the limiter stay on the demoted server",
        (Edit(REDIS, '("-READONLY ", "NOREPLICAS ")', '("NOREPLICAS ",)'),),
        (f"{REDIS_FAILOVER}::test_a_refusal_within_the_error_of_a_script_counts",),
    ),
    Mutant(
        "redis-primary-after-the-call",
        "a connection to Redis that is so refused is closed only when the call is over",
        "a pipeline that was refused is sent again, and its refusal is not told",
        (Edit(REDIS, "self.mark_for_reconnect()", "self.disconnect()"),),
        (f"{_REFUSED}[demoted]",),
    ),
    Mutant(
        "redis-primary-only",
        "a connection to Redis that is refused anything else is kept",
        "a script that Redis does not know yet, or a user without rights, costs a connection at each call",
        (Edit(REDIS, "if isinstance(error, ReadOnlyError | MasterDownError) or", "if True or"),),
        (f"{REDIS_FAILOVER}::test_any_other_refusal_keeps_the_connection",),
    ),
    Mutant(
        "redis-primary-of-counts",
        "the counts of tries to sign in find the new primary of Redis",
        "after a failover each web process counts its own, so as many times the tries are allowed",
        (Edit("web/counting.py", "            connection_class=connection_class(settings.redis_url),\n"),),
        (f"{REDIS_FAILOVER}::test_tries_to_sign_in_are_counted_together_again",),
    ),
)
