"""The commands `demo`, `serve`, `simulator` and `mail-catcher`: their options, and what they check before they start."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Annotated
from uuid import NAMESPACE_URL, uuid5

import typer

from handlers.imports.accept import MAX_BATCH
from worker.cli.exits import ExitCode, Problem
from worker.cli.output import AsJson, say_line
from worker.local.demo import demonstrate
from worker.local.practices import XPM_PRACTICES
from worker.local.processes import LOOPBACK, free_port
from worker.local.serve import serve_portal
from worker.local.stack import Plan
from xpm.simulator.knobs import Knobs
from xpm.simulator.serve import SimulatorConfig, TenantSpec, run
from xpm.simulator.tenants import BASE_PATH


def _percent(text: str | float) -> float:
    """A percentage, with or without its sign."""
    try:
        found = float(str(text).removesuffix("%"))
    except ValueError:
        found = -1.0
    if not 0 <= found <= 100:
        raise typer.BadParameter("must be from 0 to 100, as in 20%")
    return found


Odd = Annotated[
    float,
    typer.Option(
        metavar="N%", parser=_percent, help="How many clients and answers of XPM are odd.", show_default=False
    ),
]


def run_demo(
    clients: Annotated[
        int, typer.Option(metavar="N", min=1, max=MAX_BATCH, help="Clients in the XPM practice, 1 to 5,000.")
    ] = 60,
    seed: Annotated[int, typer.Option(metavar="N", help="The same seed makes the same practice.")] = 1,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", file_okay=False, help="Keep the state here; run again to continue."),
    ] = None,
    workers: Annotated[int, typer.Option(metavar="N", min=1, max=50, help="Worker processes for imports.")] = 1,
    database_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Use this database instead of SQLite.")
    ] = None,
    redis_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Use this Redis instead of starting a Valkey.")
    ] = None,
    quota: Annotated[bool, typer.Option("--quota/--no-quota", help="Enforce XPM's limits.")] = True,
    odd: Odd = 0.0,
    as_json: AsJson = False,
) -> None:
    """Run the whole system on this machine and import a made-up practice.

    It starts a Redis, an XPM simulator, a mail catcher, workers and a relay, imports every client, shows the results,
    and stops everything. Nothing leaves this machine.
    """
    plan = Plan(
        folder=data or Path(),
        clients=clients,
        seed=seed,
        database_url=database_url,
        redis_url=redis_url,
        background=workers,
        enforce_quota=quota,
        odd_percent=odd,
    )
    raise typer.Exit(demonstrate(plan, kept=data is not None, as_json=as_json))


PORT = 8000
#: Slow enough that the pages show limits and progress, and faster than the real XPM.
TIME_SCALE = 10.0


def run_serve(
    port: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=65535,
            help=f"Port of the portal; by default {PORT}, or a free port.",
            show_default=False,
        ),
    ] = None,
    clients: Annotated[int, typer.Option(metavar="N", min=40, max=20_000, help="Clients in the XPM practice.")] = 200,
    seed: Annotated[int, typer.Option(metavar="N", help="The same seed makes the same practice.")] = 1,
    data: Annotated[
        Path,
        typer.Option(metavar="DIR", file_okay=False, help="Folder for the state; run again to continue."),
    ] = Path(".data/serve"),
    as_json: AsJson = False,
) -> None:
    """Run the whole system on this machine, with its pages, for you to try.

    It starts a Redis, an XPM simulator, a mail catcher, workers, a relay and the web process, with practices whose staff
    can sign in. It prints the address and the sign-ins, and stops everything at Ctrl-C. Nothing leaves this machine.
    """
    plan = Plan(
        folder=data,
        clients=clients,
        seed=seed,
        time_scale=TIME_SCALE,
        tenant_names=XPM_PRACTICES,
        web_port=_port(port),
    )
    raise typer.Exit(serve_portal(plan, as_json=as_json))


def _port(wanted: int | None) -> int:
    """The wanted port; by default the usual one, or a free one where that is taken."""
    try:
        _require_free(LOOPBACK, wanted or PORT)
    except Problem:
        if wanted is not None:
            raise
        return free_port()
    return wanted or PORT


def run_simulator(
    clients: Annotated[int, typer.Option(metavar="N", min=1, max=1_000_000, help="Clients in its practice.")] = 200,
    seed: Annotated[int, typer.Option(metavar="N", help="The same seed makes the same practice.")] = 1,
    host: Annotated[str, typer.Option(metavar="HOST", help="Host to listen on.")] = LOOPBACK,
    port: Annotated[int, typer.Option(metavar="N", min=1, max=65535, help="Port to listen on.")] = 8090,
    time_scale: Annotated[float, typer.Option(metavar="N", min=0.001, help="How much faster the quota refills.")] = 1.0,
    quota: Annotated[bool, typer.Option("--quota/--no-quota", help="Enforce XPM's limits.")] = True,
    odd: Odd = 0.0,
    tenant_name: Annotated[
        list[str], typer.Option(metavar="NAME", help="Name of a practice; repeat it for several practices.")
    ] = [],  # noqa: B006 -- typer copies it
    consent_page: Annotated[
        bool, typer.Option("--consent-page", help="Show a consent page instead of allowing at once.")
    ] = False,
    truth_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", dir_okay=False, help="File for the practice's true data, as JSON lines."),
    ] = None,
) -> None:
    """Run an XPM simulator on this machine, with data, limits and faults."""
    _require_free(host, port)
    config = SimulatorConfig(
        clients=clients,
        seed=seed,
        host=host,
        port=port,
        time_scale=time_scale,
        enforce_quota=quota,
        odd_percent=odd,
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
    say_line(f"Its page, with the calls it received: http://{host}:{port}/ (press Ctrl-C to stop)")
    sys.stdout.flush()
    run(config)


def run_mail_catcher(
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="Port on loopback; 0 picks a free one.")
    ] = 1025,
    folder: Annotated[Path, typer.Option("--dir", metavar="DIR", file_okay=False, help="Folder for the mail.")] = Path(
        ".data/mail"
    ),
) -> None:
    """Catch mail on this machine: save every message in a folder and send none on."""
    if port:
        _require_free(LOOPBACK, port)
    command = [sys.executable, "-P", "-m", "worker.local.mail_catcher", "--port", str(port), "--dir", str(folder)]
    os.execv(sys.executable, command)  # noqa: S606 -- our own module replaces this process


def _require_free(host: str, port: int) -> None:
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        raise Problem(
            f"Cannot listen on {host}:{port}: {error.strerror}. Choose another with --port.", ExitCode.UNAVAILABLE
        ) from None
