"""The commands `staff leave` and `connection reassign`: when somebody leaves, and a colleague takes their clients on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import typer

from handlers.integration import handover
from worker.cli.database import opened
from worker.cli.operator import BY_HAND, AsOperator, DryRun, OptionalReason, acting
from worker.cli.output import AsJson, count_of, say, say_json, say_line

SHOWN = 10
"""How many of the clients that stay are shown; --json has all."""


def leave(
    staff: Annotated[UUID, typer.Argument(metavar="STAFF", help="Who leaves.", show_default=False)],
    operator: AsOperator,
    reason: OptionalReason = BY_HAND,
    as_json: AsJson = False,
) -> None:
    """Record that somebody has left: they are signed out, and their XPM connection ends.

    Their clients stay tied to XPM through that connection, and are read no more, until a colleague takes them on:
    `portal-sync connection reassign`.
    """
    with opened() as record, acting(record, operator, reason, staff_id=f"STAFF {staff}") as act:
        left = handover.leave(record.database, act, staff)
    if as_json:
        behind = [{"connection_id": each.connection_id, "clients": each.clients} for each in left.left_behind]
        say_json({"staff_id": staff, "left_behind": behind})
        return
    say("They are signed out, and their XPM connection has ended.")
    for each in left.left_behind:
        say(f"{count_of(each.clients, 'client')} are still linked through it. To move them to a colleague:")
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

    The colleague must be connected to the same practice in XPM. Clients whose record they do not see there stay, and are
    listed. Which clients the colleague sees in the portal does not change.
    """
    given = {"connection_id": f"Connection {connection}", "to_staff_id": f"--to {to}"}
    with opened() as record, acting(record, operator, reason, **given) as act:
        found = handover.reassign(record.database, act, connection, to, dry_run=dry_run)
    if as_json:
        ids = {"from": connection, "to": found.to_connection_id}
        say_json({"dry_run": dry_run, **ids, "moved": _ids(found.moved), "left": _ids(found.left)})
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


def _ids(clients: Sequence[UUID]) -> list[str]:
    return [str(client) for client in clients]
