"""A child that is sent a signal while it runs its job: SIGKILL, as by the kernel when memory runs out, or the one that its
first argument names. A program, not a module of tests."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from handlers.registry import HANDLERS
from handlers.services import Services
from portal_db.tables import Job
from tests.handlers.one_job import fetch_one, with_one
from worker import isolated as alone


def main(arguments: list[str]) -> int:
    name = arguments.pop(0) if arguments[0] in signal.Signals.__members__ else "SIGKILL"
    kind = HANDLERS["validate_import"]

    def fetch(services: Services, job: Job) -> Any:
        os.kill(os.getpid(), signal.Signals[name])
        return fetch_one(kind, services, job)

    HANDLERS["validate_import"] = with_one(kind, fetch=fetch)
    return alone.main(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
