"""Connections to Redis that find the new primary after a failover.

A server that was demoted may keep its connections open and refuse what comes on them: in a managed Redis, after `FAILOVER`,
or when its name has moved to another. redis-py takes that for an answer like any other, and stays.
"""

from __future__ import annotations

from typing import Any

from redis.connection import AbstractConnection, Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import MasterDownError, ReadOnlyError, ResponseError

#: How a server refuses that is not, or no longer, the primary. Redis 6.2 says so within the error of a script.
_REFUSALS = ("-READONLY ", "NOREPLICAS ")


class _FollowsPrimary(AbstractConnection):
    """Connects again, and so looks its host up again, once a server has refused to be the primary."""

    def read_response(self, *args: Any, **named: Any) -> Any:
        try:
            return super().read_response(*args, **named)
        except ResponseError as error:
            if isinstance(error, ReadOnlyError | MasterDownError) or any(each in str(error) for each in _REFUSALS):
                # Once the call is over: the other answers of a pipeline are still to be read.
                self.mark_for_reconnect()  # type: ignore[no-untyped-call]  # redis's is untyped
            raise


class _Tcp(_FollowsPrimary, Connection):
    pass


class _Tls(_FollowsPrimary, SSLConnection):
    pass


class _Unix(_FollowsPrimary, UnixDomainSocketConnection):
    pass


def connection_class(url: str) -> Any:
    """What `from_url` of redis-py is to make connections of, for this address."""
    of_scheme = {"redis": _Tcp, "rediss": _Tls, "unix": _Unix}
    return of_scheme.get(url.partition(":")[0])  # it refuses any other address
