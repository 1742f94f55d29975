"""Kill -9 of a worker, in each state that a job can be in when its worker goes.

The worker kills itself at a trap, so that it is in that state and no other. Both workers walk into it; whoever is killed is
started again, as a supervisor would. Recovery is the time from the kill until the jobs that it cut off run again.
"""

from __future__ import annotations

from functools import partial

from tests.faults.trial import Fault, Trial

STATES = {
    "kill -9: claimed": ("claimed", "create_client"),
    "kill -9: after the HTTP answer": ("fetched", "validate_import"),
    "kill -9: before commit": ("uncommitted", "create_client"),
    "kill -9: after commit, before ack": ("committed", "validate_import"),
    "kill -9: before SMTP accepts": ("sending", "send_welcome_email"),
    "kill -9: after SMTP accepted": ("sent", "send_welcome_email"),
}


def killed(trial: Trial, point: str, kind: str) -> None:
    """Kill whoever comes to the point first; in a long run four times."""
    trial.in_time = True
    trap = trial.trap(point, kind, times=trial.much(1, 4))
    trial.ask()
    trial.has_fired(trap, trial.much(1, 4))


def within_the_usual_lease(trial: Trial) -> None:
    """Kill a worker under the settings of production: its jobs run again within 15 seconds."""
    usual = {"LEASE_SECONDS": "10", "HEARTBEAT_SECONDS": "3"}
    trial.stage.run(worker_1=usual, worker_2=usual, relay=usual)
    trial.in_time = True
    trap = trial.trap("claimed", "validate_import", times=trial.much(1, 4))
    trial.ask()
    trial.has_fired(trap, trial.much(1, 4))


def busy(trial: Trial) -> None:
    """Jobs that take more than twice their lease, with the heartbeat going: no busy worker is mistaken for a dead one."""
    trial.trap("claimed", "import_details", action="hold", times=4, seconds=2.5 * trial.stage.lease_seconds)
    trial.ask()
    trial.wait(lambda: trial.injected >= 4, "four jobs take long")
    trial.over()
    trial.wait(lambda: not trial.open(), "every import is closed", 120)
    if trial.lost_leases():
        trial.problems.append("a busy worker was taken for a dead one")


FAULTS: dict[str, Fault] = {
    **{name: partial(killed, point=point, kind=kind) for name, (point, kind) in STATES.items()},
    "kill -9: with the default lease": within_the_usual_lease,
    "a job longer than its lease": busy,
}
