"""The group `connection`, with its command `add`: ties a staff member to an XPM tenant with tokens that were got elsewhere.

Tokens come on standard input and nowhere else: arguments and environments are seen by other users of a machine.
"""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import typer

from handlers.integration import by_hand as practices
from handlers.integration import connect as integration_connect
from handlers.integration import disconnect as integration_disconnect
from handlers.integration.connect import Choice, Connected, ConnectingStaff
from portal_db.tables import XpmConnection
from portal_db.xero import connections
from worker.cli.database import Record, opened
from worker.cli.exits import ExitCode, Problem, refusals_naming
from worker.cli.output import AsJson, clean, console, count_of, iso, moment, note, say, say_json, say_line, table
from worker.cli.practices import handover

connection_app = typer.Typer(no_args_is_help=True, help="Connections of staff to XPM.")
connection_app.command("reassign")(handover.reassign)

LIMIT = 100_000
"""Characters read from standard input at most."""


@connection_app.command("add")
def add(
    practice: Annotated[UUID, typer.Option(metavar="ID", help="The practice's id.", show_default=False)],
    staff: Annotated[UUID, typer.Option(metavar="ID", help="The staff member to connect.", show_default=False)],
    tenant_id: Annotated[
        str, typer.Option(metavar="ID", help="The XPM tenant, as /connections names it.", show_default=False)
    ],
    tenant_name: Annotated[
        str | None, typer.Option(metavar="NAME", help="The tenant's name, as people know it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Connect a staff member to XPM by hand, for migration and headless use.

    Standard input holds what Xero's token endpoint answered and whose it is, as a JSON object or as lines
    `name=value`: access_token, refresh_token, expires_in (seconds, 1800 if left out), xero_user_id.
    """
    with opened() as record:
        vault = record.settings.vault
        about = {"practice_id": f"--practice {practice}", "staff_id": f"--staff {staff}"}
        with refusals_naming({**about, "tenant_id": "--tenant-id", "tenant_name": "--tenant-name"}):
            grant = practices.read_grant(_standard_input())
            new_id = practices.connect_by_hand(
                record.database,
                vault,
                grant,
                practice_id=practice,
                staff_id=staff,
                tenant_id=tenant_id,
                tenant_name=tenant_name,
            )
    if as_json:
        say_json({"id": new_id})
    else:
        say_line(str(new_id))


def _standard_input() -> dict[str, Any]:
    if sys.stdin.isatty():
        note("Paste the tokens (JSON, or lines name=value), then press Ctrl-D.")
    text = sys.stdin.read(LIMIT).strip()
    if text.startswith("{"):
        return _object(text)
    fields = {}
    for number, line in enumerate(text.splitlines(), 1):
        name, equals, value = line.partition("=")
        if not equals:
            raise Problem(f"Standard input, line {number}: write name=value, or give JSON.", ExitCode.MISUSED)
        fields[name.strip()] = value.strip()
    return fields


def _object(text: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(text)
    except ValueError:
        raise Problem("Standard input is not a complete JSON object.", ExitCode.MISUSED) from None
    return found


LINE_LIMIT = 10_000
"""Characters read from a line of standard input at most."""


@connection_app.command("connect")
def connect(
    practice: Annotated[UUID, typer.Option(metavar="ID", help="The practice's id.", show_default=False)],
    staff: Annotated[UUID, typer.Option("--as", metavar="ID", help="The staff member who connects.")],
    as_json: AsJson = False,
) -> None:
    """Connect XPM, or reconnect it, for a staff member who consents at Xero.

    Prints the address to open in a browser. Xero sends the browser back to an address under PUBLIC_URL: paste that
    address, whether or not a page came up there, as a line on standard input.
    """
    person = ConnectingStaff(practice, staff)
    with opened() as record, refusals_naming({"staff_id": f"--as {staff}", "tenant_id": "The practice"}):
        note("Open this address, allow access at Xero, then paste the address your browser is sent to:")
        (note if as_json else say_line)(integration_connect.begin(record.database, record.settings, person))
        sys.stdout.flush()
        answer = _answer()
        came = integration_connect.complete(
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
        note(f"{count_of(connected.woken, 'job')} were waiting for this and resume now.")


@connection_app.command("list")
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


@connection_app.command("disconnect")
def disconnect(
    connection: Annotated[UUID, typer.Argument(metavar="ID", help="The connection's id.", show_default=False)],
) -> None:
    """Disconnect XPM. Imported data stays; the worker ends the connection at Xero too."""
    with opened() as record, refusals_naming({"connection_id": f"Connection {connection}"}):
        integration_disconnect.disconnect(record.database, connection)
    say("Disconnected. A worker ends the connection at Xero.")


def _answer() -> dict[str, str]:
    """The parameters that Xero put into the address it sent the browser to."""
    line = sys.stdin.readline(LINE_LIMIT).strip()
    found = {name: values[0] for name, values in parse_qs(urlsplit(line).query).items()}
    if "state" not in found or not {"code", "error"} & set(found):
        raise Problem(
            "Standard input: this is not the address that Xero sends the browser back to (…?code=…&state=…).",
            ExitCode.MISUSED,
        )
    return found


def _chosen(record: Record, person: ConnectingStaff, choice: Choice) -> Connected:
    """Ask which practice to connect, by its number in the list."""
    note("You allowed access to several practices in Xero. Type the number of the one to connect:")
    for number, (tenant_id, name) in enumerate(choice.tenants, 1):
        note(f"{number}  {clean(name or 'unnamed')}  {tenant_id}")
    line = sys.stdin.readline(LINE_LIMIT).strip()
    if not line.isascii() or not line.isdigit() or not 1 <= int(line) <= len(choice.tenants):
        raise Problem(f"Standard input: give a number from 1 to {len(choice.tenants)}.", ExitCode.MISUSED)
    tenant_id, _ = choice.tenants[int(line) - 1]
    return integration_connect.choose(record.database, person, choice.consent_id, tenant_id)


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
