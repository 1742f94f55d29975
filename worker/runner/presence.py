"""Reports, while a worker runs, which lanes it consumes and which kinds of job it knows: the relay rings no others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from types import TracebackType
from typing import Self

import structlog
from sqlalchemy.exc import SQLAlchemyError

from portal_db.database import Database
from portal_db.work import workers

log = structlog.stdlib.get_logger(__name__)


class Presence:
    """The presence of one worker in the record, from entering until leaving the context.

    Args:
        owner: the name of the process in the record.
        lanes: which it consumes now; asked for each report.
        lasts_seconds: for how long it counts as running after each report.
        every_seconds: how often it reports.
    """

    def __init__(
        self,
        database: Database,
        owner: str,
        *,
        lanes: Callable[[], Collection[str]],
        kinds: Collection[str],
        lasts_seconds: float,
        every_seconds: float,
    ) -> None:
        self._database = database
        self._owner = owner
        self._lanes = lanes
        self._kinds = kinds
        self._lasts_seconds = lasts_seconds
        self._every_seconds = every_seconds
        self._reported: frozenset[str] = frozenset()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="presence", daemon=True)

    def __enter__(self) -> Self:
        self._report()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        try:
            with self._database.write() as tx:
                workers.forget(tx, self._owner)
        except SQLAlchemyError as failure:
            log.warning("presence.left_to_expire", owner=self._owner, exc_info=failure)

    def _report(self) -> None:
        lanes = frozenset(self._lanes())
        try:
            with self._database.write() as tx:
                if lanes != self._reported:
                    workers.forget(tx, self._owner)
                workers.report(tx, self._owner, lanes=lanes, kinds=self._kinds, lasts_seconds=self._lasts_seconds)
            self._reported = lanes
        except SQLAlchemyError as error:
            log.warning("presence.not_reported", owner=self._owner, exc_info=error)

    def _beat(self) -> None:
        while not self._stop.wait(self._every_seconds):
            self._report()
