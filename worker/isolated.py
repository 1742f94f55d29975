"""`python -m worker.isolated JOB_ID OWNER`: the child process that runs one suspect job (see `worker.runner.isolation`)."""

from __future__ import annotations

import signal
import sys
import threading
from uuid import UUID

from worker.parts import STOP_SIGNALS, Parts


def main(arguments: list[str]) -> int:
    """Run the one job and its follow-ups, then exit 0."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    job_id, owner = UUID(arguments[0]), arguments[1]
    with Parts.from_environment(owner) as parts:
        parts.runner(run_isolated=None, stopping=threading.Event()).run(job_id)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
