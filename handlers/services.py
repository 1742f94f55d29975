"""What use cases depend on: the database, XPM, a mailer, settings, and the bell that rings jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from config.settings import Settings
from config.sources import Sources
from portal_db.database import Database
from portal_db.states import Lane
from xpm.client import XpmApi


class Mailer(Protocol):
    """Sends one composed message, or raises how far it got."""

    def send(self, message: Any, recipient: str) -> None: ...

    def close(self) -> None:
        """Close the connections that are kept for later messages."""


class Bell(Protocol):
    """Notifies workers of jobs. It may fail: nothing depends on it but speed."""

    def ring(self, lane: Lane, job_ids: Sequence[UUID]) -> None: ...

    def wake_relay(self) -> None:
        """Let the relay look at once for background jobs, which it rings itself."""


@dataclass(frozen=True)
class Services:
    """Everything a handler may use."""

    database: Database
    xpm: XpmApi
    mailer: Mailer
    settings: Settings
    sources: Sources
