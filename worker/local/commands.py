"""The command `demo`: its options; the demo itself lives in `worker.local`."""

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
from worker.local.processes import LOOPBACK, free_port
from worker.local.serve import TENANT_NAMES, serve_portal
from worker.local.stack import Plan
from xpm.simulator.knobs import Knobs
from xpm.simulator.serve import SimulatorConfig, TenantSpec, run
from xpm.simulator.tenants import BASE_PATH


def run_demo(
    clients: Annotated[
        int, typer.Option(metavar="N", min=1, max=MAX_BATCH, help="Clients of the XPM practice, 1 to 5,000.")
    ] = 60,
    seed: Annotated[int, typer.Option(metavar="N", help="The same seed makes the same practice.")] = 1,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", file_okay=False, help="Keep the state here; a second run goes on with it."),
    ] = None,
    workers: Annotated[int, typer.Option(metavar="N", min=1, max=50, help="Worker processes for imports.")] = 1,
    database_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Use this database in place of SQLite.")
    ] = None,
    redis_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Use this Redis in place of our own Valkey.")
    ] = None,
    quota: Annotated[bool, typer.Option("--quota/--no-quota", help="Enforce XPM's limits.")] = True,
    as_json: AsJson = False,
) -> None:
    """Run the whole system on this machine and import a made-up practice through it.

    It starts a Redis, a made-up XPM, a mail catcher, workers and a relay as processes of their own, imports every
    client, shows what became of each, and leaves nothing running. Nothing leaves this machine.
    """
    plan = Plan(
        folder=data or Path(),
        clients=clients,
        seed=seed,
        database_url=database_url,
        redis_url=redis_url,
        background=workers,
        enforce_quota=quota,
    )
    raise typer.Exit(demonstrate(plan, kept=data is not None, as_json=as_json))


PORT = 8000
#: Slower than the demo's, so that the pages show limits and progress, and faster than XPM's.
TIME_SCALE = 10.0


def run_serve(
    port: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=65535,
            help=f"Where the portal listens; otherwise {PORT}, or a free one.",
            show_default=False,
        ),
    ] = None,
    clients: Annotated[int, typer.Option(metavar="N", min=40, max=20_000, help="Clients of the XPM practice.")] = 200,
    seed: Annotated[int, typer.Option(metavar="N", help="The same seed makes the same practice.")] = 1,
    data: Annotated[
        Path,
        typer.Option(metavar="DIR", file_okay=False, help="Where the state is kept; a second run goes on with it."),
    ] = Path(".data/serve"),
    as_json: AsJson = False,
) -> None:
    """Run the whole system on this machine, with its pages, for you to look at.

    It starts a Redis, a made-up XPM, a mail catcher, workers, a relay and the web process, with practices whose staff
    can sign in; says where it is and how to get in; and stops everything at Ctrl-C. Nothing leaves this machine.
    """
    plan = Plan(
        folder=data,
        clients=clients,
        seed=seed,
        time_scale=TIME_SCALE,
        tenant_names=TENANT_NAMES,
        web_port=_port(port),
    )
    raise typer.Exit(serve_portal(plan, as_json=as_json))


def _port(wanted: int | None) -> int:
    """The port that was asked for; or the usual one, or a free one where that is taken."""
    if _is_free(wanted or PORT):
        return wanted or PORT
    if wanted is None:
        return free_port()
    raise Problem(f"Cannot listen on {LOOPBACK}:{wanted}. Choose another with --port.", ExitCode.UNAVAILABLE)


def _is_free(port: int) -> bool:
    try:
        with socket.create_server((LOOPBACK, port)):
            return True
    except OSError:
        return False


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
    command = [sys.executable, "-P", "-m", "worker.local.mail_catcher", "--port", str(port), "--dir", str(folder)]
    os.execv(sys.executable, command)  # noqa: S606 -- our own module in this process's place


def _require_free(host: str, port: int) -> None:
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        raise Problem(
            f"Cannot listen on {host}:{port}: {error.strerror}. Choose another with --port.", ExitCode.UNAVAILABLE
        ) from None
