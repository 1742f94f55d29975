"""The commands `practice` and `staff`: practices, and the people who work there."""

from __future__ import annotations

import sys
from typing import Annotated
from uuid import UUID

import typer

from handlers.access import members_mfa, passwords, practices
from portal_db.states import Role
from worker.cli.database import open_record
from worker.cli.exits import ExitCode, Problem, explain_refusals
from worker.cli.operator import AsOperator, Practice, Reason, acting
from worker.cli.output import AsJson, say_json, say_line, say_result
from worker.cli.practices import handover

practice_app = typer.Typer(no_args_is_help=True, help="Accounting firms in the portal.")
staff_app = typer.Typer(no_args_is_help=True, help="People who work at a practice.")
staff_app.command("leave")(handover.leave)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name, up to 200 characters.", show_default=False)]
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
    with open_record() as record, explain_refusals({"time_zone": f"--time-zone {time_zone}"}):
        new_id = practices.add_practice(record.database, name, time_zone=time_zone, mfa_mandatory=mfa)
    print_id(new_id, as_json)


@practice_app.command("set")
def set_practice(
    practice_id: Annotated[UUID, typer.Argument(metavar="ID", help="The practice's id.", show_default=False)],
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Its new name.")] = None,
    time_zone: Annotated[str | None, typer.Option(metavar="ZONE", help="Its new time zone.")] = None,
    mfa: Annotated[bool | None, typer.Option("--mfa/--no-mfa", help=MfaHelp)] = None,
    as_json: AsJson = False,
) -> None:
    """Change a practice; options that are not given stay as they are."""
    labels = {"practice_id": f"practice {practice_id}", "time_zone": f"--time-zone {time_zone}"}
    with open_record() as record, explain_refusals(labels):
        practices.set_practice(record.database, practice_id, name=name, time_zone=time_zone, mfa_mandatory=mfa)
    print_id(practice_id, as_json)


@staff_app.command("add")
def add_staff(
    practice: Annotated[UUID, typer.Argument(metavar="PRACTICE", help="The practice's id.", show_default=False)],
    name: Name,
    email: Email,
    role: Annotated[
        Role, typer.Option(metavar="ROLE", help="owner, account_admin, partner, manager or basic (read only).")
    ] = Role.MANAGER,
    as_json: AsJson = False,
) -> None:
    """Add a staff member to a practice and print their id."""
    with open_record() as record, explain_refusals({"practice_id": f"PRACTICE {practice}", "email": f"EMAIL {email}"}):
        new_id = practices.add_staff(record.database, practice, name, email, role)
    print_id(new_id, as_json)


def print_id(row_id: UUID, as_json: bool) -> None:
    if as_json:
        say_json({"id": row_id})
    else:
        say_line(str(row_id))


@staff_app.command("password")
def set_password(
    staff: Annotated[UUID, typer.Argument(metavar="STAFF", help="The staff member's id.", show_default=False)],
    practice: Practice,
    link: Annotated[
        bool, typer.Option("--link", help="Print a link to set the password instead; it works once, within three days.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Set a staff member's password, typed at a prompt or as a line on standard input. Their sessions end.

    The password is never an argument, because process lists and shell histories show arguments.
    """
    with open_record() as record, explain_refusals({"staff_id": f"STAFF {staff}"}):
        if link:
            made = passwords.issue_link(record.database, record.settings, staff, practice)
            (say_json({"link": made}) if as_json else say_line(made))
            return
        passwords.set_password(record.database, staff, practice, _read_password())
    say_result(as_json, {"id": staff}, "The password is set.")


@staff_app.command("reset-mfa")
def reset_mfa(
    staff: Annotated[UUID, typer.Argument(metavar="STAFF", help="The staff member's id.", show_default=False)],
    practice: Practice,
    operator: AsOperator,
    reason: Reason,
    as_json: AsJson = False,
) -> None:
    """Take away a staff member's second factor, because they lost it. They are signed out and set up another one.

    Owners can do this for colleagues under Admin settings > Staff. First make sure who is asking, by a way other than
    their email.
    """
    with open_record() as record, acting(record, operator, reason, staff_id=f"STAFF {staff}") as act:
        members_mfa.reset_by_operator(record.database, act, staff, practice)
    say_result(as_json, {"id": staff}, "Their second factor is reset.")


def _read_password() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("New password", hide_input=True, err=True))
    try:
        return sys.stdin.readline(1000).rstrip("\r\n")
    except UnicodeDecodeError:
        raise Problem("Standard input is not UTF-8 text.", ExitCode.MISUSED) from None
