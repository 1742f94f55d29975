"""Kill -9 of a worker, in each state that a job can be in when its worker dies.

The worker kills itself at a trap, so that it is in exactly that state. The trap is set for both workers; one that is killed
is restarted, as a supervisor would. Recovery is the time from the kill until the interrupted jobs run again.
"""

from __future__ import annotations

from functools import partial

from tests.faults.stage import through
from tests.faults.trial import Fault, Trial
from tests.servers.availability import required
from tests.servers.pgbouncer import pgbouncer

STATES = {
    "kill -9: claimed": ("claimed", "validate_import"),
    "kill -9: after the HTTP answer": ("fetched", "validate_import"),
    "kill -9: before commit": ("uncommitted", "create_client"),
    "kill -9: after commit, before ack": ("committed", "validate_import"),
    "kill -9: before SMTP accepts": ("sending", "send_welcome_email"),
    "kill -9: after SMTP accepted": ("sent", "send_welcome_email"),
}


def killed(trial: Trial, point: str, kind: str) -> None:
    """Kill the first worker that reaches the point; in a long run three times, each once the interrupted jobs run again."""
    trial.in_time = True
    rounds = trial.much(1, 3)
    for _ in range(rounds):
        trap = trial.trap(point, kind)
        trial.ask(trial.imports // rounds)
        trial.has_fired(trap)
        trial.wait(trial.runs_again, "what was cut off runs again", 90)


def within_the_usual_lease(trial: Trial) -> None:
    """Kill a worker with the default settings: its jobs run again within 15 seconds."""
    usual = {"LEASE_SECONDS": "10", "HEARTBEAT_SECONDS": "3"}
    trial.stage.run(worker_1=usual, worker_2=usual, relay=usual)
    killed(trial, "claimed", "validate_import")


def behind_a_pooler(trial: Trial) -> None:
    """Workers and relay reach PostgreSQL through a PgBouncer in transaction mode. The worker is killed in a transaction."""
    with required(), pgbouncer(trial.stage.postgres.url) as pooler:
        there = {**trial.stage.usual, **through(trial.stage.settings, pooler.port)}
        trial.stage.run(worker_1=there, worker_2=there, relay=there)
        killed(trial, "uncommitted", "create_client")
        trial.all_closed()
        trial.stage.run()


def busy(trial: Trial) -> None:
    """Jobs that take more than twice their lease, with the heartbeat running: no busy worker is mistaken for a dead one."""
    trial.trap("claimed", "validate_import", action="hold", times=4, seconds=2.5 * trial.stage.lease_seconds)
    trial.ask()
    trial.wait(lambda: trial.injected >= 4, "four jobs take long")
    trial.over()
    trial.wait(lambda: not trial.open(), "every import is closed", 120)
    if trial.lost_leases():
        trial.problems.append("a busy worker was taken for a dead one")


FAULTS: dict[str, Fault] = {
    **{name: partial(killed, point=point, kind=kind) for name, (point, kind) in STATES.items()},
    "a job longer than its lease": busy,
}
#: Run last, because all processes are restarted for them.
LAST: dict[str, Fault] = {
    "kill -9: behind PgBouncer": behind_a_pooler,
    "kill -9: with the default lease": within_the_usual_lease,
}
