"""The group `connection`, with its command `add`: ties a staff member to an XPM tenant with tokens that were got elsewhere.

Tokens come on standard input and nowhere else: arguments and environments are seen by other users of a machine.
"""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any
from uuid import UUID

import typer

from handlers import practices
from worker.cli import connecting, leaving
from worker.cli.exits import ExitCode, Problem, refusals_naming
from worker.cli.output import AsJson, note, say_json, say_line
from worker.cli.record import opened

connection_app = typer.Typer(no_args_is_help=True, help="Connections of staff to XPM.")
connecting.register(connection_app)
connection_app.command("reassign")(leaving.reassign)

LIMIT = 100_000
"""Characters read from standard input at most."""


@connection_app.command("add")
def add(
    practice: Annotated[UUID, typer.Option(metavar="ID", help="The practice's id.", show_default=False)],
    staff: Annotated[UUID, typer.Option(metavar="ID", help="Whose connection it will be.", show_default=False)],
    tenant_id: Annotated[
        str, typer.Option(metavar="ID", help="The XPM tenant, as /connections names it.", show_default=False)
    ],
    tenant_name: Annotated[str | None, typer.Option(metavar="NAME", help="What people call the tenant.")] = None,
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
        raise Problem("Standard input holds no whole JSON object.", ExitCode.MISUSED) from None
    return found
