"""The checks behind `doctor` and `/status`: a healthy installation passes, and each failure says what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from cryptography.fernet import Fernet
from pydantic import SecretStr

from config.sources import Sources
from portal_db.database import Database
from portal_db.states import Lane
from portal_db.work import leaders, outages, workers
from tests.worker.queue.desk import Desk
from tests.world import World
from worker.health import checks
from worker.health.checks import CHECKS, Installation, Result
from worker.health.status import Status
from xpm.simulator.serve import SimulatorHandle
from xpm.simulator.tenants import BASE_PATH

LEADER = "relay-1"


@pytest.fixture
def desk(sqlite_world: World, redis_url: str) -> Iterator[Desk]:
    made = Desk.at(sqlite_world, redis_url)
    yield made
    made.client.close()


@pytest.fixture
def healthy(desk: Desk, simulator: SimulatorHandle) -> Installation:
    """Everything is there: servers, the app at Xero, a relay that leads and a worker for each lane."""
    with desk.world.database.write() as tx:
        leaders.hold(tx, leaders.RELAY, LEADER, 600)
        workers.report(tx, "worker-1", lanes=list(Lane), kinds=["create_client"], lasts_seconds=600)
    app: dict[str, Any] = {
        "xero_client_id": simulator.config.client_id,
        "xero_client_secret": SecretStr(simulator.config.client_secret),
        "xero_identity_url": simulator.url,
        "smtp_url": desk.world.mail.url,
    }
    return Installation(desk.settings.model_copy(update=app), desk.world.database, desk.client, Sources())


def with_settings(installation: Installation, **values: object) -> Installation:
    settings = installation.settings.model_copy(update=values)
    settings.__dict__.pop("vault", None)  # it was made of the keys before
    return replace(installation, settings=settings)


def failures(installation: Installation) -> dict[str, Result]:
    return {result.name: result for result in checks.run(installation) if not result.ok}


def test_a_healthy_installation_passes_every_check(healthy: Installation) -> None:
    found = list(checks.run(healthy))
    assert [result.name for result in found] == [check.name for check in CHECKS]
    assert [result for result in found if not result.ok] == []


def test_what_nobody_does_is_missed(healthy: Installation) -> None:
    with healthy.database.write() as tx:
        leaders.give_up(tx, leaders.RELAY, LEADER)
        workers.forget(tx, "worker-1")
        workers.report(tx, "worker-2", lanes=[Lane.INTERACTIVE, Lane.EMAIL], kinds=["x"], lasts_seconds=600)
        for _ in range(3):
            outages.count_failure(tx, "xpm", reason="cannot be reached", holder="job", of_all=True)
    found = failures(healthy)
    assert sorted(found) == ["outages", "relay", "workers"]
    assert found["workers"].message == "No worker takes jobs of import and resync and webhooks."
    assert found["outages"].message == "Jobs wait for a server: XPM cannot be reached."


def test_servers_that_are_away_are_named_with_the_setting_to_check(healthy: Installation) -> None:
    away = with_settings(
        healthy,
        smtp_url="smtp://127.0.0.1:1",
        xpm_api_url="http://127.0.0.1:1",
        xero_identity_url="http://127.0.0.1:1",
        otel_exporter_otlp_endpoint="http://127.0.0.1:1",
        ops_oidc_issuer="http://127.0.0.1:1",
    )
    away = replace(away, redis=redis.Redis(port=1))
    found = failures(away)
    named = {
        "redis": "REDIS_URL",
        "mail": "SMTP_URL",
        "xpm": "XPM_API_URL",
        "xero": "XERO_IDENTITY_URL",
        "traces": "OTEL_EXPORTER_OTLP_ENDPOINT",
        "single_sign_on": "OPS_OIDC_ISSUER",
    }
    assert found.keys() == named.keys()
    assert [name for name, setting in named.items() if setting not in (found[name].remedy or "")] == []


def test_an_app_that_xero_does_not_know_and_one_that_is_not_set_are_told_apart(healthy: Installation) -> None:
    wrong = failures(with_settings(healthy, xero_client_secret=SecretStr("wrong")))
    unset = failures(with_settings(healthy, xero_client_id=""))
    assert [found["xero"].message for found in (wrong, unset)] == [
        "Xero does not accept our app.",
        "The app registered at Xero is not set.",
    ]


def test_keys_that_cannot_open_what_is_stored(healthy: Installation) -> None:
    other = SecretStr(Fernet.generate_key().decode())
    found = failures(with_settings(healthy, token_keys=(other,)))
    assert list(found) == ["token_keys"]
    assert found["token_keys"].message == "1 of the 1 tokens stored last cannot be decrypted with TOKEN_KEYS."
    assert "not set" in str(failures(with_settings(healthy, token_keys=()))["token_keys"].remedy)


def test_a_redis_that_drops_work(healthy: Installation) -> None:
    healthy.redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        found = failures(healthy)
    finally:
        healthy.redis.config_set("maxmemory-policy", "noeviction")
    assert list(found) == ["redis"]
    assert found["redis"].remedy == "Set it to noeviction."


@pytest.mark.parametrize("seconds", [-60, 60])
def test_a_clock_that_disagrees_with_the_databases(healthy: Installation, seconds: int) -> None:
    wrong = Sources(now=lambda: Sources().now() + timedelta(seconds=seconds))
    found = failures(replace(healthy, sources=wrong))
    assert list(found) == ["clock"]
    assert "differ by 60 seconds" in found["clock"].message


def test_a_setting_that_exposes_something_is_found(healthy: Installation) -> None:
    found = failures(with_settings(healthy, xpm_api_url=f"http://localhost.example:1{BASE_PATH}"))
    assert found["settings"].message == "XPM_API_URL is not https://, so tokens would travel unencrypted."
    assert (found["settings"].remedy or "").startswith("Use https://.")


def test_what_travels_unprotected_is_found(healthy: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "LOOPBACK", frozenset())
    found = failures(with_settings(healthy, public_url="http://portal.example"))
    assert sorted(found) == ["mail", "settings"]
    assert "starttls=require" in (found["mail"].remedy or "")


def test_what_rests_on_a_check_that_fails_is_left_out(healthy: Installation, tmp_path: Path) -> None:
    # Given a database without tables
    empty = replace(healthy, database=Database(f"sqlite:///{tmp_path}/empty.db"))
    found = failures(empty)
    assert list(found) == ["migrations"]
    assert found["migrations"].message == "The database has no tables yet."
    assert found["migrations"].remedy == "Run `portal-sync db upgrade`."
    names = [result.name for result in checks.run(empty)]
    assert "relay" not in names
    assert "xero" in names


def test_the_status_is_one_word_and_quotes_nothing(healthy: Installation) -> None:
    # Given a healthy installation
    now = 0.0
    status = Status(replace(healthy, sources=Sources(monotonic=lambda: now)))
    answer = status()
    assert (answer.status, json.loads(answer.body)["status"]) == (200, "ok")
    quick = [check.name for check in CHECKS if check.is_quick]
    assert json.loads(answer.body)["checks"] == [{"name": name, "ok": True} for name in quick]
    # When the relay is gone
    with healthy.database.write() as tx:
        leaders.give_up(tx, leaders.RELAY, LEADER)
    # Then the same answer is given for some seconds, and then another, without words about servers or people
    assert status() == answer
    now = 5.0
    answer = status()
    assert (answer.status, json.loads(answer.body)["status"]) == (503, "failing")
    assert {"name": "relay", "ok": False} in json.loads(answer.body)["checks"]
