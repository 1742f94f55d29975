"""`directory syncs`: what the syncs of a directory brought to the relationships of each practice's clients."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import typer

from handlers.accept_drop import unknown_directory
from portal_db import directories, resyncs
from portal_db.resyncs import Brought
from worker.cli.exits import as_problem
from worker.cli.output import AsJson, clean, console, iso, moment, say, say_json, table
from worker.cli.record import opened

COUNTS = ("clients", "added", "changed", "ended", "conflicts", "waiting")


def show_syncs(
    directory: Annotated[UUID, typer.Argument(metavar="DIRECTORY", help="The directory's id.", show_default=False)],
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="At most so many, newest first.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List what syncs of a directory brought to clients' relationships, by practice."""
    with opened() as record, record.database.read() as tx:
        if directories.get(tx, directory) is None:
            raise as_problem(unknown_directory(), {"directory": str(directory)})
        found = resyncs.of_directory(tx, directory, limit=limit)
    if as_json:
        say_json([_result(each) for each in found])
        return
    if not found:
        say("None brought anything new to relationships.")
        return
    made = table("Started", "Practice", "Clients", "New", "Changed", "Ended", "Conflicts", "Waiting")
    for each in found:
        counts = (f"{getattr(each.summary, name):,}" for name in COUNTS)
        made.add_row(moment(each.summary.started_at), clean(each.practice), *counts)
    console().print(made)


def _result(each: Brought) -> dict[str, Any]:
    row = each.summary
    counts = {name: getattr(row, name) for name in COUNTS}
    times = {"started_at": iso(row.started_at), "finished_at": iso(row.finished_at)}
    return {"sync_id": row.sync_id, "practice_id": row.practice_id, "practice": each.practice, **times, **counts}
