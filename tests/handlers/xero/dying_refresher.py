"""A process that refreshes a login's tokens and is killed once Xero has given new ones, before it stores them.

A program, not a module of tests: `python -m tests.handlers.xero.dying_refresher LOGIN_ID`, with the settings in the
environment.
"""

from __future__ import annotations

import os
import signal
import sys
from uuid import UUID

from config.settings import Settings
from handlers.xero.tokens import LoginStore, identity
from portal_db.database import Database
from xpm.oauth import Grant, Http, Tokens


class DyingStore(LoginStore):
    """Never gets as far as storing."""

    def store(self, login_id: UUID, lease: UUID, grant: Grant, *, version: int, age: float) -> bool:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError(f"still alive with {login_id}, {lease}, {grant}, {version}, {age}")


def main(login_id: UUID) -> None:
    settings = Settings.load()

    def refresh(refresh_token: str) -> Grant:
        with Http(seconds=10) as http:
            return identity(settings, http).refresh(refresh_token)

    store = DyingStore(Database(settings.database_url), settings.vault)
    Tokens(store, refresh).access_token(login_id)


if __name__ == "__main__":
    main(UUID(sys.argv[1]))
