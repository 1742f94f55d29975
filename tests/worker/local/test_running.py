"""What runs a local system is interrupted by a stop signal, whenever that comes."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest

from worker.cli.exits import ExitCode, Problem
from worker.local.running import prepared
from worker.local.stack import Plan


class Destroyed:
    """Is sent a stop signal while it is destroyed, where Python drops what is raised."""

    def __init__(self, number: signal.Signals) -> None:
        self.number = number

    def __del__(self) -> None:
        signal.raise_signal(self.number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_signal_that_comes_while_an_object_is_destroyed_interrupts(
    tmp_path: Path, number: signal.Signals
) -> None:
    def run() -> None:
        with prepared(Plan(tmp_path, clients=1, seed=1), kept=True, what="the demo"):
            Destroyed(number)
            threading.Event().wait(10)

    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        with pytest.raises(Problem) as found:
            run()
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    assert found.value.code is ExitCode.INTERRUPTED
