"""The commands `simulator` and `mail-catcher`: stand-ins for servers of other people, on this machine."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Annotated
from uuid import NAMESPACE_URL, uuid5

import typer

from worker.cli.exits import ExitCode, Problem
from worker.cli.output import say_line
from worker.embedded.processes import LOOPBACK
from xpm.simulator.knobs import Knobs
from xpm.simulator.serve import SimulatorConfig, TenantSpec, run
from xpm.simulator.state import BASE_PATH


def run_simulator(
    clients: Annotated[int, typer.Option(metavar="N", min=1, max=1_000_000, help="Clients of its practice.")] = 200,
    seed: Annotated[int, typer.Option(metavar="N", help="The same seed makes the same practice.")] = 1,
    host: Annotated[str, typer.Option(metavar="HOST", help="Where it listens.")] = LOOPBACK,
    port: Annotated[int, typer.Option(metavar="N", min=1, max=65535, help="Where it listens.")] = 8090,
    time_scale: Annotated[
        float, typer.Option(metavar="N", min=0.001, help="How much faster the quota's time passes.")
    ] = 1.0,
    quota: Annotated[bool, typer.Option("--quota/--no-quota", help="Whether XPM's limits are enforced.")] = True,
    tenant_name: Annotated[
        list[str], typer.Option(metavar="NAME", help="What /connections calls the practice; several make as many.")
    ] = [],  # noqa: B006 -- typer copies it
    consent_page: Annotated[
        bool, typer.Option("--consent-page", help="Ask people for consent on a page, in place of allowing at once.")
    ] = False,
    truth_file: Annotated[
        Path | None, typer.Option(metavar="FILE", dir_okay=False, help="Where to write what is true.")
    ] = None,
) -> None:
    """Run a made-up XPM on this machine, with its data, limits and faults."""
    _require_free(host, port)
    config = SimulatorConfig(
        clients=clients,
        seed=seed,
        host=host,
        port=port,
        time_scale=time_scale,
        enforce_quota=quota,
        tenant_name=tenant_name[0] if tenant_name else None,
        more_tenants=tuple(
            TenantSpec(str(uuid5(NAMESPACE_URL, name)), clients, seed + place, name)
            for place, name in enumerate(tenant_name[1:], 1)
        ),
        knobs=Knobs(consent_page=consent_page),
        truth_file=truth_file,
    )
    say_line(f"XPM_API_URL    http://{host}:{port}{BASE_PATH}")
    say_line(f"access token   {config.access_token}")
    say_line(f"tenant id      {config.tenant_id}")
    say_line(f"XERO_AUTHORIZE_URL    http://{host}:{port}/identity/connect/authorize")
    say_line(f"XERO_IDENTITY_URL     http://{host}:{port}")
    say_line(f"XERO_CONNECTIONS_URL  http://{host}:{port}/connections")
    say_line(f"XERO_CLIENT_ID        {config.client_id}")
    say_line(f"XERO_CLIENT_SECRET    {config.client_secret}")
    say_line(f"Its page, with what it was asked: http://{host}:{port}/ (Ctrl-C ends it)")
    sys.stdout.flush()
    run(config)


def run_mail_catcher(
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="Its port on loopback; 0 is a free one.")
    ] = 1025,
    folder: Annotated[Path, typer.Option("--dir", metavar="DIR", file_okay=False, help="Where it keeps mail.")] = Path(
        ".data/mail"
    ),
) -> None:
    """Catch mail on this machine: keep every message in a folder, send none on."""
    if port:
        _require_free(LOOPBACK, port)
    command = [sys.executable, "-P", "-m", "worker.embedded.mail", "--port", str(port), "--dir", str(folder)]
    os.execv(sys.executable, command)  # noqa: S606 -- our own module in this process's place


def _require_free(host: str, port: int) -> None:
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        raise Problem(
            f"Cannot listen on {host}:{port}: {error.strerror}. Choose another with --port.", ExitCode.UNAVAILABLE
        ) from None
