"""`python -m tests.leader`: two schedulers, leaders killed meanwhile; prints what was due, what ran and what ran twice.

Exit code 1 unless all that was due ran once.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from dataclasses import asdict

from portal_db import migrate
from portal_db.database import Database
from tests.leader.night import play
from tests.servers.availability import Missing
from tests.servers.postgres import fresh_database, postgres_server

#: Real seconds that the night takes for each sync that is due, unless said otherwise.
SECONDS_EACH = 0.15


def main() -> int:
    """Read the command line, play, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.leader", description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="syncs that are due in the night (200)")
    parser.add_argument("--seconds", type=float, help=f"how long the night takes ({SECONDS_EACH} for each run)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="repeats when leaders are disturbed")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args()
    if given.runs < 1:
        parser.error("--runs: at least 1")
    print(f"seed {given.seed}", file=sys.stderr, flush=True)
    began = time.monotonic()
    try:
        with postgres_server() as server, fresh_database(server) as url:
            database = Database(url)
            migrate.upgrade(database)
            database.close()
            verdict = play(url, runs=given.runs, seconds=given.seconds or given.runs * SECONDS_EACH, seed=given.seed)
    except Missing as missing:
        parser.error(f"this needs {missing}")
    figures = {**asdict(verdict), "seed": given.seed, "seconds": round(time.monotonic() - began, 1)}
    print(json.dumps(figures) if given.json else "\n".join(f"{name:8} {value}" for name, value in figures.items()))
    return 0 if verdict.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
