"""A served portal from start to end: processes up, practices in, told where it is, and everything stopped when told to."""

from __future__ import annotations

import sys
import time
from contextlib import suppress

from worker.cli.exits import ExitCode
from worker.cli.output import say
from worker.cli.shapes import housed, started
from worker.embedded.shape import EmbeddedShape, Plan
from worker.serve import seed, telling

LOOK_SECONDS = 0.5


def run(plan: Plan, *, as_json: bool) -> ExitCode:
    """Serve until told to stop.

    Args:
        plan: with the folder that keeps the state.

    Raises:
        Problem: it could not be started, or one of its processes ended; the others were stopped.
    """
    with housed(plan, kept=True, what="the portal") as there, started(there) as shape:
        seed.seed(shape)
        before = len(shape.mailbox.deliveries())
        telling.opening(shape, as_json=as_json)
        sys.stdout.flush()
        with suppress(KeyboardInterrupt):
            _watch(shape, before, as_json=as_json)
        if not as_json:
            say()
    return ExitCode.DONE


def _watch(shape: EmbeddedShape, told: int, *, as_json: bool) -> None:
    """Tell mail as it arrives, as long as all processes run."""
    while True:
        shape.processes.check()
        arrived = shape.mailbox.deliveries()
        for delivery in arrived[told:]:
            if not as_json:
                telling.mail(delivery, shape.mailbox)
        told = len(arrived)
        sys.stdout.flush()
        time.sleep(LOOK_SECONDS)
