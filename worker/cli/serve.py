"""The command `serve`: its options; what it does lives in `worker.serve`."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Annotated

import typer

from worker.cli.exits import ExitCode, Problem
from worker.cli.output import AsJson
from worker.embedded.processes import LOOPBACK, free_port
from worker.embedded.shape import Plan
from worker.serve.run import run
from worker.serve.seed import TENANT_NAMES

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
    raise typer.Exit(run(plan, as_json=as_json))


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
