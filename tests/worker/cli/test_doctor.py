"""`portal-sync doctor`: a line for each check, the remedy with each failure, and an exit code for scripts."""

from __future__ import annotations

import pytest

from tests.worker.cli.conftest import Cli


@pytest.mark.usefixtures("migrated")
def test_each_failure_is_one_line_with_its_remedy(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SMTP_URL", "XPM_API_URL", "XERO_IDENTITY_URL"):
        monkeypatch.setenv(name, f"{'smtp' if name == 'SMTP_URL' else 'http'}://127.0.0.1:1")
    ran = cli("doctor")
    assert ran.code == 4
    lines = ran.out.splitlines()
    assert "ok     database: SQLite answers." in lines
    assert "FAILED relay: No relay leads: batches, retries, emails and schedules stand still. Start a relay." in lines
    assert lines[-1] == "6 of 14 checks failed."
    checks = cli("doctor", "--json").json()["checks"]
    assert [check["name"] for check in checks if not check["ok"]] == [
        "redis",
        "relay",
        "workers",
        "mail",
        "xpm",
        "xero",
    ]
    assert [check for check in checks if check["ok"] == bool(check["remedy"])] == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("WEB_PORT", "x"), ("DATABASE_URL", "mysql://x"), ("REDIS_URL", "x")],
)
def test_a_setting_that_does_not_fit_is_the_only_failure(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    ran = cli("doctor", "--json")
    assert ran.code == 4
    [check] = ran.json()["checks"]
    assert (check["name"], check["ok"]) == ("settings", False)
    assert name in check["message"]
