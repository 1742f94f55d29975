"""What an installation does not start with: each refusal names the setting and the way out, and loopback passes."""

from __future__ import annotations

from pathlib import Path
from stat import S_IMODE
from typing import Any

import pytest
from sqlalchemy import text

from config.exposure import require_safe
from config.settings import Settings, SettingsError
from portal_db.database import Database
from tests.worker.cli.conftest import Cli, cli

__all__ = ["cli"]

NO_TLS = "postgresql+psycopg://portal:secret"
#: An installation of several machines, as it should be.
SAFE: dict[str, Any] = {
    "database_url": "postgresql+psycopg://portal:secret@db.internal/portal?sslmode=verify-full",
    "redis_url": "rediss://portal:secret@redis.internal:6379/0",
    "public_url": "https://portal.example",
    "web_host": "192.0.2.1",
    "smtp_url": "smtp://portal:secret@mail.example:587?starttls=require",
}


def test_a_safe_installation_and_one_on_this_machine_pass() -> None:
    require_safe(Settings(**SAFE))
    require_safe(Settings())
    require_safe(
        Settings(
            unsigned_requests=True,
            redis_url="redis://localhost:6379",
            smtp_url="smtp://me:secret@127.0.0.1:25",
            xpm_api_url="http://127.0.0.2/xpm",
            web_host="::1",
        )
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"redis_url": "redis://10.0.0.5:6379/0", "redis_trusted_network": True},
        {"redis_url": "unix:///run/redis.sock"},
        {"redis_url": "rediss://redis.internal?password=secret"},
        {"smtp_url": "smtp://mail.example"},
        {"database_url": f"{NO_TLS}@db.internal/portal", "database_trusted_network": True},
        {"database_url": f"{NO_TLS}@/portal?host=/run/postgresql"},
        {"database_url": f"{NO_TLS}@/portal?host=localhost:5432&host=[::1]:5433"},
        {"smtp_url": "smtps://portal:secret@mail.example"},
        {
            "redis_url": "rediss://:secret@redis.internal?ssl_cert_reqs=required&ssl_check_hostname=True&ssl_ca_certs=/ca.pem"
        },
        {"ops_host": "192.0.2.1", "ops_url": "https://ops.internal"},
    ],
    ids=str,
)
def test_what_is_safe_in_another_way_passes_too(changes: dict[str, Any]) -> None:
    require_safe(Settings(**SAFE | changes))


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "a database without TLS": (
        {"database_url": f"{NO_TLS}@db.internal/portal"},
        "DATABASE_URL",
        "DATABASE_TRUSTED_NETWORK=true",
    ),
    "a stand-by of which nobody asks for TLS": (
        {"database_url": f"{NO_TLS}@/portal?host=127.0.0.1:5432&host=db2:5432&sslmode=prefer"},
        "DATABASE_URL",
        "?sslmode=verify-full",
    ),
    "Redis without TLS": ({"redis_url": "redis://:secret@redis.internal"}, "REDIS_URL", "without TLS. Use rediss://"),
    "Redis without a password": ({"redis_url": "rediss://redis.internal"}, "REDIS_URL", "without a password"),
    "a Redis that anybody may stand for": (
        {"redis_url": "rediss://:secret@redis.internal?ssl_cert_reqs=none"},
        "REDIS_URL",
        "without checking its certificate. Use rediss://",
    ),
    "a Redis with another's certificate": (
        {"redis_url": "rediss://:secret@redis.internal?ssl_check_hostname=False"},
        "REDIS_URL",
        "?ssl_ca_certs=FILE",
    ),
    "Redis without both": ({"redis_url": "redis://10.0.0.5"}, "REDIS_URL", "REDIS_TRUSTED_NETWORK=true"),
    "XPM unencrypted": ({"xpm_api_url": "http://xpm.example"}, "XPM_API_URL", "Use https://"),
    "tokens unencrypted": ({"xero_identity_url": "http://xero.example"}, "XERO_IDENTITY_URL", "Use https://"),
    "consent unencrypted": ({"xero_authorize_url": "http://xero.example"}, "XERO_AUTHORIZE_URL", "Use https://"),
    "connections unencrypted": (
        {"xero_connections_url": "http://xero.example"},
        "XERO_CONNECTIONS_URL",
        "Use https://",
    ),
    "a mail password unencrypted": ({"smtp_url": "smtp://me:secret@mail.example"}, "SMTP_URL", "?starttls=require"),
    "links to this machine": ({"public_url": "http://127.0.0.1:8000"}, "WEB_HOST", "PUBLIC_URL"),
    "links without https": ({"public_url": "http://portal.example"}, "WEB_HOST", "https://"),
    "a console for others with links to this machine": ({"ops_host": "0.0.0.0"}, "OPS_HOST", "OPS_URL"),  # noqa: S104 -- refused
    "a console for others without https": (
        {"ops_host": "192.0.2.1", "ops_url": "http://ops.example"},
        "OPS_HOST",
        "https://",
    ),
    "single sign-on without https": ({"ops_oidc_issuer": "http://id.example"}, "OPS_OIDC_ISSUER", "https://"),
    "unsigned requests": ({"unsigned_requests": True}, "UNSIGNED_REQUESTS", "portal-sync producer add"),
    "unsigned requests over a shared Redis": (
        {"unsigned_requests": True, "public_url": "http://127.0.0.1:8000", "web_host": "127.0.0.1"},
        "UNSIGNED_REQUESTS",
        "producer add",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_be_exposed_is_refused_with_the_way_out(case: str) -> None:
    changes, setting, way_out = REFUSED[case]
    with pytest.raises(SettingsError) as refused:
        require_safe(Settings(**SAFE | changes))
    words = str(refused.value)
    assert words.startswith(setting)
    assert way_out in words
    assert "secret" not in words


@pytest.mark.parametrize(
    ("folder", "file", "named"), [(0o755, 0o600, "data"), (0o700, 0o640, "data/portal.db")], ids=["folder", "file"]
)
def test_a_sqlite_database_that_others_can_read_is_refused(tmp_path: Path, folder: int, file: int, named: str) -> None:
    place = tmp_path / "data" / "portal.db"
    url = f"sqlite:///{place}?synchronous=normal"
    settings = Settings(**SAFE | {"database_url": url})
    require_safe(settings)  # before there is one
    Database(url).close()
    require_safe(settings)
    place.parent.chmod(folder)
    place.chmod(file)
    with pytest.raises(SettingsError, match=r"DATABASE_URL.*Run chmod") as refused:
        require_safe(settings)
    assert str(refused.value).endswith(f"{tmp_path / named}. See docs/settings.md.")
    require_safe(Settings(database_url=url))


def test_a_sqlite_database_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    place = tmp_path / "data" / "portal.db"
    database = Database(f"sqlite:///{place}")
    with database.write() as tx:
        tx.session.execute(text("CREATE TABLE notes (words TEXT)"))
        modes = {path.name: S_IMODE(path.stat().st_mode) for path in place.parent.iterdir()}
    database.close()
    assert modes == {"portal.db": 0o600, "portal.db-wal": 0o600, "portal.db-shm": 0o600}
    assert S_IMODE(place.parent.stat().st_mode) == 0o700


def test_commands_and_processes_do_not_start_with_it(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://redis.internal")
    for command in (("db", "upgrade"), ("worker",), ("relay",)):
        ran = cli(*command)
        assert (ran.code, ran.out) == (2, "")
        assert "REDIS_URL leads to another machine" in ran.err
