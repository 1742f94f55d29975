"""One candidate, as a process of its own: holds the leader's lease when it can, and then lets the scheduler look.

What `portal-sync relay` does, without Redis, with a short lease, and by a clock that runs faster.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from config.settings import Settings
from handlers.schedule.due import Plan
from portal_db.database import Database
from portal_db.work import leaders
from tests.leader.clock import FastClock
from tests.servers.waiting import wait_until
from worker.leader.scheduler import Scheduler

#: A leader that is gone is known to be after so many real seconds; the product's ten would make this long.
LEASE_SECONDS = 0.5
LOOK_SECONDS = 0.02
#: The limiter's answer takes so long, so that leaders are often caught between seeing what is due and taking it on.
ANSWER_SECONDS = 0.05


def main() -> None:
    """Arguments: the database, a name for this process, and the file that says what time it is."""
    url, owner, clock_file = sys.argv[1:]
    database = Database(url, pool_size=2)
    print("candidate ready", flush=True)
    wait_until(Path(clock_file).exists, "time begins", within=60)
    clock = FastClock.read(Path(clock_file))
    wait = threading.Event().wait

    def calls_left(_: str) -> None:
        wait(ANSWER_SECONDS)

    scheduler = Scheduler(database, owner, Plan(Settings(database_url=url), calls_left, clock=clock), {})
    threading.Thread(target=_hold, args=(database, owner), daemon=True).start()
    while not wait(LOOK_SECONDS):
        with _going_on():
            scheduler.tick()


def _hold(database: Database, owner: str) -> None:
    """Be the leader, or stand by to be: what the relay does in a thread beside the scheduler's."""
    while not threading.Event().wait(LEASE_SECONDS / 5):
        with _going_on(), database.write() as tx:
            leaders.hold(tx, leaders.RELAY, owner, LEASE_SECONDS)


@contextmanager
def _going_on() -> Iterator[None]:
    """As the product does when its connection is gone, such as after it was held up for long."""
    try:
        yield
    except SQLAlchemyError as error:
        print(f"candidate interrupted: {error}", flush=True)


if __name__ == "__main__":
    main()
