"""The command `demo`: its options; the demo itself lives in `worker.demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from handlers.request_import import MAX_BATCH
from worker.cli.output import AsJson
from worker.demo.run import run
from worker.embedded.shape import Plan


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
    raise typer.Exit(run(plan, kept=data is not None, as_json=as_json))
