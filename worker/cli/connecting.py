"""The commands `connection connect`, `list` and `disconnect`: consent at Xero without a portal in a browser, and its end."""

from __future__ import annotations

import sys
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import typer

from handlers import connect_xpm, disconnect_xpm
from handlers.connect_xpm import Choice, Connected, Person
from portal_db import connections
from portal_db.tables import XpmConnection
from worker.cli.exits import ExitCode, Problem, refusals_naming
from worker.cli.output import AsJson, clean, console, count_of, iso, moment, note, say, say_json, say_line, table
from worker.cli.record import Record, opened

LIMIT = 10_000
"""Characters read from a line of standard input at most."""


def register(app: typer.Typer) -> None:
    """Add these commands to the group `connection`."""
    app.command("connect")(connect)
    app.command("list")(show)
    app.command("disconnect")(disconnect)


def connect(
    practice: Annotated[UUID, typer.Option(metavar="ID", help="The practice's id.", show_default=False)],
    staff: Annotated[UUID, typer.Option("--as", metavar="ID", help="The staff member who connects.")],
    as_json: AsJson = False,
) -> None:
    """Connect XPM, or reconnect it, for a staff member who consents at Xero.

    Prints the address to open in a browser. Xero sends the browser back to an address under PUBLIC_URL: paste that
    address, whether or not a page came up there, as a line on standard input.
    """
    person = Person(practice, staff)
    with opened() as record, refusals_naming({"staff_id": f"--as {staff}", "tenant_id": "The practice"}):
        note("Open this address, allow access at Xero, then paste the address that the browser ends up at:")
        (note if as_json else say_line)(connect_xpm.begin(record.database, record.settings, person))
        sys.stdout.flush()
        answer = _answer()
        came = connect_xpm.complete(
            record.database,
            record.settings,
            person,
            state=answer.get("state", ""),
            code=answer.get("code"),
            error=answer.get("error"),
        )
        connected = _chosen(record, person, came) if isinstance(came, Choice) else came
    if as_json:
        say_json({"id": connected.connection_id, "woken": connected.woken})
        return
    say_line(str(connected.connection_id))
    if connected.woken:
        note(f"{count_of(connected.woken, 'job')} had waited for this and go on now.")


def show(
    practice: Annotated[UUID | None, typer.Option(metavar="ID", help="Only this practice's.")] = None,
    as_json: AsJson = False,
) -> None:
    """List connections, newest first."""
    with opened() as record, record.database.read() as tx:
        rows = connections.listing(tx, practice_id=practice)
    if as_json:
        say_json([_result(row) for row in rows])
        return
    if not rows:
        say("There are no connections.")
        return
    made = table("Connection", "State", "Since", "Staff")
    for row in rows:
        since = row.disconnected_at or row.broken_at or row.connected_at
        state = f"{row.state.value} ({row.broken_code})" if row.broken_at else row.state.value
        made.add_row(str(row.id), state, moment(since), str(row.staff_id))
    console().print(made)


def disconnect(
    connection: Annotated[UUID, typer.Argument(metavar="ID", help="The connection's id.", show_default=False)],
) -> None:
    """Disconnect XPM. Imported data stays; the worker ends the connection at Xero too."""
    with opened() as record, refusals_naming({"connection_id": f"Connection {connection}"}):
        disconnect_xpm.disconnect(record.database, connection)
    say("Disconnected. A worker tells Xero.")


def _answer() -> dict[str, str]:
    """What Xero put into the address that it sent the browser to."""
    line = sys.stdin.readline(LIMIT).strip()
    found = {name: values[0] for name, values in parse_qs(urlsplit(line).query).items()}
    if "state" not in found or not {"code", "error"} & set(found):
        raise Problem(
            "Standard input: this is not the address that Xero sends the browser back to (…?code=…&state=…).",
            ExitCode.MISUSED,
        )
    return found


def _chosen(record: Record, person: Person, choice: Choice) -> Connected:
    """Ask which of several practices it is to be, by its number in the list."""
    note("Xero let the portal into several practices. Type the number of the one to connect:")
    for number, (tenant_id, name) in enumerate(choice.tenants, 1):
        note(f"{number}  {clean(name or 'unnamed')}  {tenant_id}")
    line = sys.stdin.readline(LIMIT).strip()
    if not line.isascii() or not line.isdigit() or not 1 <= int(line) <= len(choice.tenants):
        raise Problem(f"Standard input: give a number from 1 to {len(choice.tenants)}.", ExitCode.MISUSED)
    tenant_id, _ = choice.tenants[int(line) - 1]
    return connect_xpm.choose(record.database, person, choice.consent_id, tenant_id)


def _result(row: XpmConnection) -> dict[str, Any]:
    return {
        "id": row.id,
        "practice_id": row.practice_id,
        "staff_id": row.staff_id,
        "tenant_id": row.tenant_id,
        "tenant_name": row.tenant_name,
        "state": row.state.value,
        "broken_code": row.broken_code,
        "broken_at": iso(row.broken_at),
        "connected_at": iso(row.connected_at),
        "disconnected_at": iso(row.disconnected_at),
    }
