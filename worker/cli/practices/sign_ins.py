"""The command `sign-ins`: the sign-in log of a practice, or what concerns none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.table import Table

from handlers.access import sign_in_log
from handlers.access.origin import browser_name
from portal_db.access.sign_in_log import LoggedEvent
from portal_db.paging import Cursor
from worker.cli.database import open_record
from worker.cli.operator import After, Limit, cursor
from worker.cli.output import AsJson, clean, fields, say_list, table, utc


def list_sign_ins(
    practice: Annotated[
        UUID | None,
        typer.Option(
            metavar="ID", help="The practice; without one, attempts with emails that nobody has, and operators'."
        ),
    ] = None,
    limit: Limit = 50,
    after: After = None,
    as_json: AsJson = False,
) -> None:
    """List who signed in, failed to, changed a password or used a refused key, newest first.

    KEEP_AUDIT_DAYS says how long the log is kept. No email that somebody typed is in it.
    """
    place = cursor(after)
    with open_record() as record:
        rows = sign_in_log.events(record.database, practice, after=place, limit=limit)
    say_list(
        rows,
        as_json,
        _result,
        _table,
        empty="Nothing is logged.",
        limit=limit,
        cursor=lambda row: Cursor(row.entry.at, row.entry.id),
    )


def _table(rows: Sequence[LoggedEvent]) -> Table:
    made = table("When", "What", "Who", "Address", "Browser", "Detail")
    for row in rows:
        entry = row.entry
        browser = browser_name(entry.agent) if entry.address else ""
        what = entry.event.replace("_", " ")
        made.add_row(
            utc(entry.at), what, clean(row.name or ""), clean(entry.address or ""), browser, clean(entry.detail or "")
        )
    return made


def _result(row: LoggedEvent) -> dict[str, Any]:
    return {**fields(row.entry, "id at event staff_id address agent detail"), "name": row.name}
