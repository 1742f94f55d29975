"""A simulated Xero for each test, and the identity server's client against it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from xpm.oauth import App, Http, XeroConnections, XeroIdentity
from xpm.simulator import SimulatorConfig, SimulatorHandle, TenantSpec, running

REDIRECT = "https://portal.example/integrations/xpm/callback"


@pytest.fixture
def xero() -> Iterator[SimulatorHandle]:
    more = (TenantSpec("second-tenant", 3, 2, "Second Practice"),)
    with running(SimulatorConfig(clients=3, seed=4, enforce_quota=False, more_tenants=more)) as handle:
        yield handle


@pytest.fixture
def identity(xero: SimulatorHandle) -> Iterator[XeroIdentity]:
    with Http(seconds=5) as http:
        yield XeroIdentity(
            App(xero.config.client_id, xero.config.client_secret, REDIRECT),
            http,
            identity_url=xero.url,
            authorize_url=f"{xero.url}/identity/connect/authorize",
        )


@pytest.fixture
def at_xero(xero: SimulatorHandle) -> Iterator[XeroConnections]:
    with Http(seconds=5) as http:
        yield XeroConnections(f"{xero.url}/connections", http)
