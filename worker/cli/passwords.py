"""The command `staff password`: set one from standard input, or make a link by which the person sets it."""

from __future__ import annotations

import sys
from typing import Annotated
from uuid import UUID

import typer

from handlers import passwords
from worker.cli.exits import ExitCode, Problem, refusals_naming
from worker.cli.output import AsJson, say, say_json, say_line
from worker.cli.record import opened


def register(app: typer.Typer) -> None:
    """Add this command to the group `staff`."""
    app.command("password")(set_password)


def set_password(
    staff: Annotated[UUID, typer.Argument(metavar="STAFF", help="The id of the staff member.", show_default=False)],
    practice: Annotated[
        UUID, typer.Option("--practice", metavar="ID", help="Their practice's id.", show_default=False)
    ],
    link: Annotated[
        bool, typer.Option("--link", help="Print a link instead, by which they set it: once, within three days.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Set a staff member's password from a line on standard input. Their sessions end.

    The password is never an argument, so that no list of processes and no shell's history holds it.
    """
    with opened() as record, refusals_naming({"staff_id": f"STAFF {staff}"}):
        if link:
            made = passwords.issue_link(record.database, record.settings, staff, practice)
            (say_json({"link": made}) if as_json else say_line(made))
            return
        passwords.set_password(record.database, staff, practice, _line())
    (say_json({"id": staff}) if as_json else say("The password is set."))


def _line() -> str:
    try:
        return sys.stdin.readline(1000).rstrip("\r\n")
    except UnicodeDecodeError:
        raise Problem("Standard input is not UTF-8 text.", ExitCode.MISUSED) from None
