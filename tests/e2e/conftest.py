"""One served portal and one browser for all of these tests; each test has a visit of its own."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest
from argon2 import PasswordHasher
from playwright.sync_api import Browser, expect

from handlers.access import mfa, passwords
from tests.e2e.browser import WAIT_MS, Visit, chromium, visiting
from tests.serving import Served, serving
from tests.web import desk as desks
from tests.web.desk import Desk
from tests.worker.cli.test_running import until
from tests.world import World
from worker.local.processes import free_port


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The portal, with an XPM of 60 clients."""
    folder = tmp_path_factory.mktemp("serve")
    with serving("--data", folder, "--clients", 60, "--port", free_port(), "--json") as found:
        until(lambda: bool(found.lines) or found.ended(), seconds=120)
        yield found
        found.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=WAIT_MS)
    with chromium() as found:
        yield found


@pytest.fixture
def visit(browser: Browser, served: Served) -> Iterator[Visit]:
    """Somebody who has not signed in. At the end their browser must have had nothing to complain about."""
    with visiting(browser, served) as found:
        yield found
        assert found.complaints == []


@pytest.fixture
def desk(sqlite_world: World, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A portal whose jobs run and whose time passes when the test says so. There a password suffices to sign in."""
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    monkeypatch.setattr(mfa, "next_step", lambda tx, staff: None)  # noqa: ARG005 -- the names are the function's
    with desks.serving(sqlite_world, redis_url) as made:
        yield made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With a failure, tell the page that it happened on."""
    report = yield
    visit = getattr(item, "funcargs", {}).get("visit")
    if report.when == "call" and report.failed and isinstance(visit, Visit):
        report.sections.append(("the page", visit.where()))
    return report
