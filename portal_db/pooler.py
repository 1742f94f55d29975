"""PostgreSQL behind a pooler in transaction mode, such as PgBouncer, recognised when a connection is made.

There each transaction may run on another of the server's connections, so nothing may need a session: settings that come with
a connection are refused or ignored, and prepared statements collide with those of others. Then nothing is prepared, and each
transaction sets what its role does not; glances, which are none, do without. A direct connection keeps its settings, so its
transactions cost nothing more.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import psycopg
import structlog
from sqlalchemy import Connection, Engine, event

log = structlog.stdlib.get_logger(__name__)

#: How poolers refuse the `options` that a connection begins with.
_REFUSAL = "unsupported startup parameter"
_SET_LOCALLY = "set_locally"


class TransactionSettings:
    """Settings of PostgreSQL that hold in every transaction of an engine, directly or through a pooler.

    Args:
        settings: by name, as `SHOW` writes them.
        if_direct: more of them, which transactions can do without.
    """

    def __init__(self, settings: Mapping[str, str], *, if_direct: Mapping[str, str]) -> None:
        self._options = " ".join(f"-c {name}={value}" for name, value in {**settings, **if_direct}.items())
        hold = " AND ".join(f"current_setting('{name}') = '{value}'" for name, value in settings.items())
        self._look = f"SELECT pg_backend_pid(), {hold}"
        self._set = "SELECT " + ", ".join(f"set_config('{name}', '{value}', true)" for name, value in settings.items())
        self._takes_options = True
        self._is_pooled = False

    def listen(self, engine: Engine) -> None:
        """Apply them to all connections that the engine makes from now on."""
        event.listen(engine, "do_connect", self._connect)
        event.listen(engine, "connect", partial(self._recognise, engine))

    def _connect(self, dialect: Any, _: Any, args: Any, named: dict[str, Any]) -> Any:
        if self._takes_options:
            options = f"{named.get('options', '')} {self._options}".strip()
            try:
                return dialect.connect(*args, **{**named, "options": options})
            except psycopg.OperationalError as error:
                if _REFUSAL not in str(error):
                    raise
                self._takes_options = False
        return dialect.connect(*args, **named)

    def _recognise(self, engine: Engine, connection: psycopg.Connection[Any], record: Any) -> None:
        connection.autocommit = True
        [(server_pid, hold)] = connection.execute(self._look).fetchall()
        connection.autocommit = False
        record.info[_SET_LOCALLY] = not hold
        if not hold and not event.contains(engine, "begin", self._begin):
            event.listen(engine, "begin", self._begin)  # not before: who listens to an engine costs each statement
        if server_pid != connection.info.backend_pid:  # a pooler makes up its own
            connection.prepare_threshold = None
            if not self._is_pooled:
                log.info("database.pooled")
            self._is_pooled = True

    def _begin(self, connection: Connection) -> None:
        is_one_by_one = connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"  # it would not last
        if not keeps_settings(connection) and not is_one_by_one:
            connection.exec_driver_sql(self._set)


def keeps_settings(connection: Connection) -> bool:
    """Whether what is executed on this connection outside any transaction has the settings too."""
    return not connection.connection.info[_SET_LOCALLY]
