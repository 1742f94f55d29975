"""The commands `staff leave` and `connection reassign`: somebody leaves, and a colleague takes over their clients."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from handlers.integration import handover
from worker.cli.database import open_record
from worker.cli.operator import BY_HAND, AsOperator, DryRun, OptionalReason, Yes, acting, confirm
from worker.cli.output import AsJson, count_of, fields, say, say_json, say_line

SHOWN = 10
"""How many of the clients that stay are shown; --json has all."""


def leave(
    staff: Annotated[UUID, typer.Argument(metavar="STAFF", help="The staff member's id.", show_default=False)],
    operator: AsOperator,
    reason: OptionalReason = BY_HAND,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Record that somebody has left: they are signed out, and their XPM connection ends.

    Their clients stay linked through that connection and stop syncing until a colleague takes them over:
    `portal-sync connection reassign`.
    """
    with open_record() as record, acting(record, operator, reason, staff_id=f"STAFF {staff}") as act:
        confirm(
            f"Record that {staff} has left? They are signed out for good, their XPM connection ends, and their open imports"
            " are rejected.",
            yes=yes,
            about=handover.who_leaves(record.database, staff),
        )
        left = handover.leave(record.database, act, staff)
    if as_json:
        say_json(
            {"staff_id": staff, "left_behind": [fields(each, "connection_id clients") for each in left.left_behind]}
        )
        return
    say("They are signed out, and their XPM connection has ended.")
    for each in left.left_behind:
        linked = count_of(each.clients, "client is", "clients are")
        say(f"{linked} still linked through it. To move them to a colleague:")
        say_line(f"  portal-sync connection reassign {each.connection_id} --to STAFF --as OPERATOR")


def reassign(
    connection: Annotated[
        UUID, typer.Argument(metavar="FROM", help="The connection of the person who has left.", show_default=False)
    ],
    to: Annotated[
        UUID, typer.Option(metavar="STAFF", help="The colleague to move the clients to.", show_default=False)
    ],
    operator: AsOperator,
    reason: OptionalReason = BY_HAND,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Move the clients linked through a connection to a colleague's connection.

    The colleague must be connected to the same practice in XPM. Clients whose record they do not see there are not
    moved, and are listed. Which clients the colleague sees in the portal does not change.
    """
    labels = {"connection_id": f"Connection {connection}", "to_staff_id": f"--to {to}"}
    with open_record() as record, acting(record, operator, reason, **labels) as act:
        found = handover.reassign(record.database, act, connection, to, dry_run=dry_run)
    if as_json:
        ends = {"from": connection, "to": found.to_connection_id}
        say_json({"dry_run": dry_run, **ends, "moved": [*found.moved], "left": [*found.left]})
        return
    say(
        f"{count_of(len(found.moved), 'client')} {'would be' if dry_run else 'were'} moved to the colleague's connection."
    )
    if found.left:
        say(f"{count_of(len(found.left), 'client')} stay: the colleague does not see their XPM record.")
        for client_id in found.left[:SHOWN]:
            say_line(f"  {client_id}")
        if len(found.left) > SHOWN:
            say(f"  … and {len(found.left) - SHOWN:,} more; --json shows all.")
