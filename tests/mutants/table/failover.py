"""Guards against outages of the database: an outage is no bug, and loses nothing."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant

DATABASE = "portal_db/database.py"
FAILOVER = "tests/worker/test_failover.py"

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
)
