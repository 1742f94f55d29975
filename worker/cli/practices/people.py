"""The commands `practice`, `staff` and `operator`: who is in the portal before any client is."""

from __future__ import annotations

import sys
from typing import Annotated, Any
from uuid import UUID

import typer

from handlers.access import passwords, practices
from portal_db.states import Role
from worker.cli.database import opened
from worker.cli.exits import ExitCode, Problem, refusals_naming
from worker.cli.output import AsJson, say, say_json, say_line
from worker.cli.practices import handover

practice_app = typer.Typer(no_args_is_help=True, help="Accounting firms in the portal.")
staff_app = typer.Typer(no_args_is_help=True, help="People who work at a practice.")
operator_app = typer.Typer(no_args_is_help=True, help="People who look after the platform.")
staff_app.command("leave")(handover.leave)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name, up to 200 characters.", show_default=False)]
Email = Annotated[
    str, typer.Argument(metavar="EMAIL", help="The email to sign in with; it must be unique.", show_default=False)
]
MfaHelp = "Whether MFA is mandatory for staff and clients; connecting XPM requires it."


@practice_app.command("add")
def add_practice(
    name: Name,
    time_zone: Annotated[str, typer.Option(metavar="ZONE", help="Its time zone.")] = "Australia/Sydney",
    mfa: Annotated[bool, typer.Option("--mfa/--no-mfa", help=MfaHelp)] = True,
    as_json: AsJson = False,
) -> None:
    """Add a practice and print its id."""
    with opened() as record, refusals_naming({"time_zone": f"--time-zone {time_zone}"}):
        new_id = practices.add_practice(record.database, name, time_zone=time_zone, mfa_mandatory=mfa)
    _tell(new_id, as_json)


@practice_app.command("set")
def set_practice(
    practice_id: Annotated[UUID, typer.Argument(metavar="ID", help="The practice.", show_default=False)],
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Its new name.")] = None,
    time_zone: Annotated[str | None, typer.Option(metavar="ZONE", help="Its new time zone.")] = None,
    mfa: Annotated[bool | None, typer.Option("--mfa/--no-mfa", help=MfaHelp)] = None,
    as_json: AsJson = False,
) -> None:
    """Change a practice; options that are not given stay as they are."""
    about = {"practice_id": f"practice {practice_id}", "time_zone": f"--time-zone {time_zone}"}
    with opened() as record, refusals_naming(about):
        practices.set_practice(record.database, practice_id, name=name, time_zone=time_zone, mfa_mandatory=mfa)
    _tell(practice_id, as_json)


@staff_app.command("add")
def add_staff(
    practice: Annotated[UUID, typer.Argument(metavar="PRACTICE", help="The id of their practice.", show_default=False)],
    name: Name,
    email: Email,
    role: Annotated[
        Role, typer.Option(metavar="ROLE", help="owner, account_admin, partner, manager or basic (read only).")
    ] = Role.MANAGER,
    as_json: AsJson = False,
) -> None:
    """Add a staff member to a practice and print their id."""
    with opened() as record, refusals_naming({"practice_id": f"PRACTICE {practice}", "email": f"EMAIL {email}"}):
        new_id = practices.add_staff(record.database, practice, name, email, role)
    _tell(new_id, as_json)


@operator_app.command("add")
def add_operator(name: Name, email: Email, as_json: AsJson = False) -> None:
    """Add an operator and print their id."""
    with opened() as record, refusals_naming({"email": f"EMAIL {email}"}):
        new_id = practices.add_operator(record.database, name, email)
    _tell(new_id, as_json)


def _tell(row_id: UUID, as_json: bool) -> None:
    told: dict[str, Any] = {"id": row_id}
    if as_json:
        say_json(told)
    else:
        say_line(str(row_id))


@staff_app.command("password")
def set_password(
    staff: Annotated[UUID, typer.Argument(metavar="STAFF", help="The id of the staff member.", show_default=False)],
    practice: Annotated[
        UUID, typer.Option("--practice", metavar="ID", help="Their practice's id.", show_default=False)
    ],
    link: Annotated[
        bool, typer.Option("--link", help="Print a link to set the password instead; it works once, within three days.")
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
