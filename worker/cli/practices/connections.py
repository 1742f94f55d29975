"""The commands of `connection`: connecting staff to XPM, in a browser or with tokens from elsewhere, and listing them.

Tokens are read from standard input only: other users of a machine can see arguments and environments.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import typer
from rich.table import Table

from handlers.integration import by_hand
from handlers.integration import connect as consent
from handlers.integration import disconnect as disconnection
from handlers.integration.connect import Choice, Connected, ConnectingStaff
from portal_db.tables import XpmConnection
from worker.cli.database import Record, open_record
from worker.cli.exits import ExitCode, Problem, explain_refusals
from worker.cli.operator import BY_HAND, AsOperator, OnlyPractice, OptionalReason, Practice, Yes, acting, confirm
from worker.cli.output import AsJson, clean, count_of, fields, note, say, say_json, say_line, say_list, short_utc, table
from worker.cli.practices import handover

connection_app = typer.Typer(no_args_is_help=True, help="Connections of staff to XPM.")
connection_app.command("reassign")(handover.reassign)

LIMIT = 100_000
"""The most characters read from standard input."""


@connection_app.command("add")
def add(
    practice: Practice,
    staff: Annotated[UUID, typer.Option(metavar="ID", help="The staff member to connect.", show_default=False)],
    tenant_id: Annotated[
        str, typer.Option(metavar="ID", help="The XPM tenant's id, as in /connections.", show_default=False)
    ],
    tenant_name: Annotated[
        str | None, typer.Option(metavar="NAME", help="The tenant's name, as people know it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Connect a staff member to XPM by hand, for migration and headless use.

    Standard input is the answer of Xero's token endpoint and the user's id, as a JSON object or as lines `name=value`:
    access_token, refresh_token, expires_in (seconds, 1800 by default), xero_user_id.
    """
    labels = {"practice_id": f"--practice {practice}", "staff_id": f"--staff {staff}",
              "tenant_id": "--tenant-id", "tenant_name": "--tenant-name"}  # fmt: skip
    with open_record() as record:
        vault = record.settings.vault
        with explain_refusals(labels):
            new_id = by_hand.connect_by_hand(
                record.database,
                vault,
                by_hand.read_grant(_read_tokens()),
                practice_id=practice,
                staff_id=staff,
                tenant_id=tenant_id,
                tenant_name=tenant_name,
            )
    if as_json:
        say_json({"id": new_id})
    else:
        say_line(str(new_id))


def _read_tokens() -> dict[str, Any]:
    if sys.stdin.isatty():
        note("Paste the tokens (JSON, or lines name=value), then press Ctrl-D.")
    text = sys.stdin.read(LIMIT).strip()
    if text.startswith("{"):
        try:
            found: dict[str, Any] = json.loads(text)
        except ValueError:
            raise Problem("Standard input is not a complete JSON object.", ExitCode.MISUSED) from None
        return found
    values = {}
    for number, line in enumerate(text.splitlines(), 1):
        name, equals, value = line.partition("=")
        if not equals:
            raise Problem(f"Standard input, line {number}: write name=value, or give JSON.", ExitCode.MISUSED)
        values[name.strip()] = value.strip()
    return values


LINE_LIMIT = 10_000
"""The most characters read from one line of standard input."""


@connection_app.command("connect")
def connect(
    practice: Practice,
    staff: Annotated[UUID, typer.Option("--as", metavar="ID", help="The staff member who connects.")],
    as_json: AsJson = False,
) -> None:
    """Connect or reconnect XPM for a staff member, who gives consent at Xero.

    Prints the address to open in a browser. Xero then sends the browser to an address under PUBLIC_URL: paste that
    address on standard input, even if no page loads there.
    """
    person = ConnectingStaff(practice, staff)
    with open_record() as record, explain_refusals({"staff_id": f"--as {staff}", "tenant_id": "The practice"}):
        note("Open this address, allow access at Xero, then paste the address your browser is sent to:")
        (note if as_json else say_line)(consent.begin(record.database, record.settings, person))
        sys.stdout.flush()
        answer = _read_redirect()
        result = consent.complete(
            record.database,
            record.settings,
            person,
            state=answer.get("state", ""),
            code=answer.get("code"),
            error=answer.get("error"),
        )
        connected = _choose(record, person, result) if isinstance(result, Choice) else result
    if as_json:
        say_json(fields(connected, "woken", id="connection_id"))
        return
    say_line(str(connected.connection_id))
    if connected.woken:
        note(f"{count_of(connected.woken, 'waiting job resumes', 'waiting jobs resume')} now.")


@connection_app.command("list")
def show(practice: OnlyPractice = None, as_json: AsJson = False) -> None:
    """List connections, newest first."""
    with open_record() as record:
        rows = by_hand.listing(record.database, practice)
    say_list(rows, as_json, _result, _table, empty="There are no connections.")


def _table(rows: Sequence[XpmConnection]) -> Table:
    made = table("Connection", "State", "Since", "Staff", no_wrap=[0])
    for row in rows:
        since = row.disconnected_at or row.broken_at or row.connected_at
        state = f"{row.state.value} ({row.broken_code})" if row.broken_at else row.state.value
        made.add_row(str(row.id), state, short_utc(since), str(row.staff_id))
    return made


@connection_app.command("disconnect")
def disconnect(
    connection: Annotated[UUID, typer.Argument(metavar="ID", help="The connection's id.", show_default=False)],
    operator: AsOperator,
    reason: OptionalReason = BY_HAND,
    yes: Yes = False,
) -> None:
    """Disconnect XPM. Imports that wait for the connection are rejected; imported data is kept.

    A worker ends the connection at Xero too. Only its owner can connect again, with a new consent.
    """
    with open_record() as record, acting(record, operator, reason, connection_id=f"Connection {connection}") as act:
        confirm(
            f"Disconnect connection {connection}? Imports that wait for it are rejected, and the consent at Xero ends.",
            yes=yes,
            about=disconnection.owner(record.database, connection),
        )
        disconnection.disconnect(record.database, act, connection)
    say("Disconnected. A worker ends the connection at Xero.")


def _read_redirect() -> dict[str, str]:
    """The parameters that Xero put into the address it sent the browser to."""
    line = sys.stdin.readline(LINE_LIMIT).strip()
    found = {name: values[0] for name, values in parse_qs(urlsplit(line).query).items()}
    if "state" not in found or not {"code", "error"} & set(found):
        raise Problem(
            "Standard input: this is not the address that Xero sends the browser back to (…?code=…&state=…).",
            ExitCode.MISUSED,
        )
    return found


def _choose(record: Record, person: ConnectingStaff, choice: Choice) -> Connected:
    """Ask which practice to connect, by its number in the list."""
    note("You allowed access to several practices in Xero. Type the number of the one to connect:")
    for number, (tenant_id, name) in enumerate(choice.tenants, 1):
        note(f"{number}  {clean(name or 'unnamed')}  {tenant_id}")
    line = sys.stdin.readline(LINE_LIMIT).strip()
    if not line.isascii() or not line.isdigit() or not 1 <= int(line) <= len(choice.tenants):
        raise Problem(f"Standard input: give a number from 1 to {len(choice.tenants)}.", ExitCode.MISUSED)
    tenant_id, _ = choice.tenants[int(line) - 1]
    return consent.choose(record.database, person, choice.consent_id, tenant_id)


def _result(row: XpmConnection) -> dict[str, Any]:
    return fields(row, "id practice_id staff_id tenant_id tenant_name state broken_code broken_at connected_at"
                  " disconnected_at")  # fmt: skip
