"""Whose certificates are trusted: the well-known authorities', or those that `SSL_CERT_FILE` names."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from xpm.wire import transport
from xpm.wire.transport import DeadlineTransport


def certificate(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: x509.Name, by: ec.EllipticCurvePrivateKey, *, authority: bool
) -> x509.Certificate:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(by, hashes.SHA256())
    )


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


@pytest.fixture
def authority(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate authority of the house: its certificate, and those of a server with the server's key."""
    root, leaf = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    own = certificate("House CA", root, named("House CA"), root, authority=True)
    server = certificate("XPM", leaf, named("House CA"), root, authority=False)
    pem = serialization.Encoding.PEM
    key = leaf.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "ca.pem").write_bytes(own.public_bytes(pem))
    (tmp_path / "server.pem").write_bytes(key + server.public_bytes(pem))
    return tmp_path / "ca.pem", tmp_path / "server.pem"


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
    authority: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority[0]))
    with serving(authority[1]) as url:
        assert call(url) == 204


def test_an_authority_that_nobody_named_is_not(authority: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    with serving(authority[1]) as url, pytest.raises(httpx.ConnectError):
        call(url)
