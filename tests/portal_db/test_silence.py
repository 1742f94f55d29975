"""A PostgreSQL whose host falls silent is given up within seconds, unless its address says otherwise. What the system then
does needs a network to cut; here its connections are asked whether they are told."""

from __future__ import annotations

import os
import socket
from contextlib import closing

import pytest
from sqlalchemy import make_url

from portal_db.database import Database, Tx

OPTIONS = ("SO_KEEPALIVE", "TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
OURS = {"SO_KEEPALIVE": 1, "TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 3, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 10_000}

pytestmark = pytest.mark.skipif(
    not all(hasattr(socket, name) for name in OPTIONS), reason="this system cannot be told all of it"
)


def told(tx: Tx) -> dict[str, int]:
    """What the system was told of a transaction's connection."""
    driver = tx.connection.connection.driver_connection
    assert driver is not None
    with socket.socket(fileno=os.dup(driver.fileno())) as same:
        level = {"SO_KEEPALIVE": socket.SOL_SOCKET}
        return {name: same.getsockopt(level.get(name, socket.IPPROTO_TCP), getattr(socket, name)) for name in OPTIONS}


@pytest.mark.parametrize("way", ["write", "read", "glance"])
def test_every_connection_gives_a_silent_host_up(postgres_url: str, way: str) -> None:
    with closing(Database(postgres_url)) as database, getattr(database, way)() as tx:
        assert told(tx) == OURS


def test_what_the_address_names_goes_before_ours(postgres_url: str) -> None:
    given = {"keepalives_idle": "60", "tcp_user_timeout": "90000"}
    url = make_url(postgres_url).update_query_dict(given).render_as_string(hide_password=False)
    with closing(Database(url)) as database, database.read() as tx:
        assert told(tx) == {**OURS, "TCP_KEEPIDLE": 60, "TCP_USER_TIMEOUT": 90_000}
