"""Runners with a part exchanged: handlers that do what a test says, a database whose answers get lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast
from uuid import UUID

from sqlalchemy.exc import OperationalError

from handlers.jobs.enqueue import FollowUp
from handlers.jobs.handler import Handler
from handlers.registry import HANDLERS
from handlers.services import Mailer, Services
from portal_db.database import Database, Tx
from portal_db.tables import Import, Job
from portal_db.work import jobs
from tests.handlers.one_job import with_one
from tests.world import World
from worker.runner.leases import Leases
from worker.runner.runner import Runner
from xpm.client import XpmApi


class Clock:
    """Stands for a module's `time`: a monotonic clock that only the test moves."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


def runner(
    world: World,
    *,
    kinds: Mapping[str, Handler] = HANDLERS,
    owner: str = "worker-1",
    services: Services | None = None,
    run_isolated: Callable[[UUID], None] | None = None,
) -> Runner:
    services = services or world.services
    leases = Leases(services.database, owner, lease_seconds=10, every_seconds=3)
    return Runner(services, world.bell, leases, kinds, run_isolated=run_isolated, stopping=world.stopping)


def changed(**functions: Mapping[str, Any]) -> dict[str, Handler]:
    """The table of kinds with some functions exchanged: `changed(create_client={"fetch": …})`."""
    return {**HANDLERS, **{name: with_one(HANDLERS[name], **values) for name, values in functions.items()}}


def stub(
    fetch: Callable[[Services, Job], Any] = lambda *_: None,
    apply: Callable[[Tx, Job, Import, Any], Sequence[FollowUp]] = lambda *_: [],
    **more: Any,
) -> dict[str, Handler]:
    """A table in which validating an import does what the test says, and nothing follows it."""
    return changed(validate_import={"fetch": fetch, "apply": apply, **more})


def raising(error: Exception) -> Callable[..., Any]:
    def function(*_: object) -> Any:
        raise error

    return function


def only_job(world: World, import_id: UUID) -> Job:
    [job] = world.jobs_of(import_id).values()
    return job


def outcomes(world: World, job_id: UUID) -> list[str]:
    """How each attempt at a job ended, first to last."""
    with world.database.read() as tx:
        return [attempt.outcome.value for attempt in jobs.attempts_of(tx, job_id)]


def count(world: World, table: str) -> object:
    return world.scalar(f"SELECT count(*) FROM {table}")  # noqa: S608 -- a test's own words


class FlakyDatabase(Database):
    """The same database through a connection that breaks when told to."""

    def __init__(self, world: World) -> None:
        super().__init__(world.database.engine.url.render_as_string(hide_password=False))
        self.lost_answers = 0
        self.lost_commits = 0
        #: How often it refuses to begin once an answer was lost.
        self.refuses_then = 0
        self._refuses = 0

    @contextmanager
    def write(self) -> Iterator[Tx]:
        """Commits; then, or instead, says that the connection is gone."""
        if self._refuses > 0:
            self._refuses -= 1
            raise _gone()
        with super().write() as tx:
            yield tx
            if self.lost_commits > 0:
                self.lost_commits -= 1
                raise _gone()
        if self.lost_answers > 0:
            self.lost_answers -= 1
            self._refuses, self.refuses_then = self.refuses_then, 0
            raise _gone()


def _gone() -> OperationalError:
    return OperationalError("COMMIT", None, ConnectionError("server closed the connection unexpectedly"))


@contextmanager
def flaky(world: World) -> Iterator[tuple[FlakyDatabase, Services]]:
    """A flaky database, and the services of a worker that uses it."""
    database = FlakyDatabase(world)
    try:
        yield database, replace(world.services, database=database)
    finally:
        database.close()


@dataclass
class Watched:
    """Stands before XPM or the mail server and counts transactions that are open while either is talked to."""

    database: Database
    real: Any
    calls: list[int] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        function = getattr(self.real, name)

        def call(*args: Any, **named: Any) -> Any:
            self.calls.append(self.database.engine.pool.checkedout())  # type: ignore[attr-defined]  # QueuePool has it
            return function(*args, **named)

        return call


def watched(world: World) -> tuple[Services, Watched, Watched]:
    """Services whose XPM and mailer are watched."""
    xpm, mailer = (Watched(world.database, real) for real in (world.services.xpm, world.services.mailer))
    return replace(world.services, xpm=cast(XpmApi, xpm), mailer=cast(Mailer, mailer)), xpm, mailer
