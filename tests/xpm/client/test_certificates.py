"""Whose certificates are trusted: the well-known authorities', or those that `SSL_CERT_FILE` names."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.certificates import HouseAuthority
from xpm.wire import transport
from xpm.wire.transport import DeadlineTransport


@pytest.fixture
def authority(tmp_path: Path) -> HouseAuthority:
    return HouseAuthority.at(tmp_path)


@contextmanager
def serving(certificates: Path) -> Iterator[str]:
    """A server under TLS that answers one request."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates)
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        plain, _ = listener.accept()
        try:
            with context.wrap_socket(plain, server_side=True) as connection:
                connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
        except OSError:
            return

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{listener.getsockname()[1]}/"
    thread.join(5)
    listener.close()


@pytest.fixture(autouse=True)
def _read_anew() -> Iterator[None]:
    transport._trusted.cache_clear()
    yield
    transport._trusted.cache_clear()


def call(url: str) -> int:
    carrier = DeadlineTransport()
    try:
        return carrier.handle_request(httpx.Request("GET", url, extensions={"time_left": lambda: 10.0})).status_code
    finally:
        carrier.close()


def test_an_authority_of_the_house_is_trusted_when_it_is_named(
    authority: HouseAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))
    with serving(authority.server) as url:
        assert call(url) == 204


def test_an_authority_that_nobody_named_is_not(authority: HouseAuthority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    with serving(authority.server) as url, pytest.raises(httpx.ConnectError):
        call(url)
