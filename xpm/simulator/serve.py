"""Runs the simulator: in the foreground for the command line, or in a thread on a free port for tests."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from xpm.simulator.app import create_app
from xpm.simulator.clock import Clock
from xpm.simulator.knobs import Knobs
from xpm.simulator.practice.build import build_practice
from xpm.simulator.quota import Limits
from xpm.simulator.state import Simulator
from xpm.simulator.tenants import BASE_PATH, Tenant
from xpm.simulator.truth import write_truth


@dataclass(frozen=True, slots=True)
class TenantSpec:
    """A practice to make: its tenant id, size, seed, and optional name in `/connections`."""

    tenant_id: str
    clients: int
    seed: int
    tenant_name: str | None = None


@dataclass(slots=True)
class SimulatorConfig:
    """How to run a simulator. The first tenant is configured directly, further ones by `more_tenants`.

    odd_percent: how many of the clients have an odd value on the wire, and of how many calls something else answers.
    time_scale: how many times faster the quota's minutes and days pass. truth_file: where to write the truth, if set.
    monotonic: the clock in seconds, for tests that supply their own.
    """

    clients: int = 200
    seed: int = 1
    odd_percent: float = 0.0
    host: str = "127.0.0.1"
    port: int = 8090
    time_scale: float = 1.0
    access_token: str = "simulator-token"  # noqa: S105 - a made-up token for a made-up service
    client_id: str = "simulator-app"
    client_secret: str = "simulator-secret"  # noqa: S105 - likewise
    tenant_id: str = "fe79f7dd-b6d4-4a92-ba7b-538af6289c58"
    tenant_name: str | None = None
    more_tenants: tuple[TenantSpec, ...] = ()
    truth_file: Path | None = None
    enforce_quota: bool = True
    limits: Limits = field(default_factory=Limits)
    knobs: Knobs = field(default_factory=Knobs)
    monotonic: Callable[[], float] = time.monotonic


@dataclass(frozen=True, slots=True)
class SimulatorHandle:
    """A running simulator. `url` is the server's root, `api_url` the base of XPM's paths."""

    url: str
    config: SimulatorConfig
    simulator: Simulator

    @property
    def api_url(self) -> str:
        return self.url + BASE_PATH

    @property
    def headers(self) -> dict[str, str]:
        """The headers that a call to the first tenant needs."""
        return {"Authorization": f"Bearer {self.config.access_token}", "xero-tenant-id": self.config.tenant_id}


class Protocol(HttpToolsProtocol):
    """Gives each call its connection's transport, so that faults can break the connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the base class
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


def build_simulator(config: SimulatorConfig) -> Simulator:
    """Make the practices, and write the truth file if one is configured."""
    first = TenantSpec(config.tenant_id, config.clients, config.seed, config.tenant_name)
    tenants = {
        spec.tenant_id: Tenant(spec.tenant_id, build_practice(spec.clients, spec.seed), spec.tenant_name)
        for spec in (first, *config.more_tenants)
    }
    for tenant in tenants.values():
        tenant.practice.odd_percent = config.odd_percent
    simulator = Simulator(
        tenants,
        config.access_token,
        clock=Clock(config.time_scale, config.monotonic),
        limits=config.limits,
        enforce_quota=config.enforce_quota,
        knobs=config.knobs,
        client_id=config.client_id,
        client_secret=config.client_secret,
    )
    simulator.faults.odd_percent = config.odd_percent
    if config.truth_file is not None:
        write_truth(simulator.practices, config.truth_file)
    return simulator


def run(config: SimulatorConfig) -> None:
    """Serve until interrupted."""
    _server(build_simulator(config), config).run()


@contextmanager
def running(config: SimulatorConfig) -> Iterator[SimulatorHandle]:
    """Serve in a thread until the block ends, on a free port instead of the configured one.

    Raises:
        RuntimeError: if the server does not start within ten seconds.
    """
    simulator = build_simulator(config)
    server = _server(simulator, config)
    with socket.create_server((config.host, 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],), name="xpm-simulator", daemon=True)
        thread.start()
        try:
            _await_start(server)
            yield SimulatorHandle(f"http://{config.host}:{listener.getsockname()[1]}", config, simulator)
        finally:
            server.should_exit = True
            thread.join(10)


def _await_start(server: uvicorn.Server) -> None:
    deadline = time.monotonic() + 10
    while not server.started:
        if time.monotonic() > deadline:
            raise RuntimeError("The simulator did not start within ten seconds.")
        time.sleep(0.005)


def _server(simulator: Simulator, config: SimulatorConfig) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            create_app(simulator),
            host=config.host,
            port=config.port,
            http=Protocol,
            ws="none",
            lifespan="off",
            access_log=False,
            log_level="critical",  # It breaks connections on purpose, so its errors are expected.
            timeout_graceful_shutdown=1,  # A hanging fault must not delay the shutdown.
        )
    )
