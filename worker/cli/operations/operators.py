"""The commands of `operator`: the people who operate the platform, at the command line and at the console."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import typer
from rich.table import Table

from handlers.access import operators, practices
from portal_db.access.operators import OperatorLogin
from portal_db.states import OperatorRole
from worker.cli.database import open_record
from worker.cli.exits import explain_refusals
from worker.cli.output import AsJson, clean, say_json, say_line, say_list, say_result, short_utc, table
from worker.cli.practices.people import Email, Name, print_id

operator_app = typer.Typer(no_args_is_help=True, help="People who operate the platform.")

ROLES = "watcher (may look), operator (may mend) or admin (may do everything)"

OperatorId = Annotated[UUID, typer.Argument(metavar="ID", help="The operator's id.", show_default=False)]


@operator_app.command("add")
def add_operator(
    name: Name,
    email: Email,
    role: Annotated[OperatorRole, typer.Option(metavar="ROLE", help=f"{ROLES}.")] = OperatorRole.OPERATOR,
    as_json: AsJson = False,
) -> None:
    """Add an operator and print their id. `operator password` makes the link with which they set a password."""
    with open_record() as record, explain_refusals({"email": f"EMAIL {email}"}):
        new_id = practices.add_operator(record.database, name, email, role)
    print_id(new_id, as_json)


@operator_app.command("list")
def list_operators(as_json: AsJson = False) -> None:
    """List operators by name, also those who have left."""
    with open_record() as record:
        found = operators.listing(record.database)
    say_list(found, as_json, _as_json, _table, empty="No operators.")


@operator_app.command("password")
def make_link(operator_id: OperatorId, as_json: AsJson = False) -> None:
    """Print a link with which an operator sets their password at the console; it works once, within three days."""
    with open_record() as record, explain_refusals({"operator": f"ID {operator_id}"}):
        link = operators.issue_link(record.database, record.settings, operator_id)
    (say_json({"link": link}) if as_json else say_line(link))


@operator_app.command("role")
def set_role(
    operator_id: OperatorId,
    role: Annotated[OperatorRole, typer.Argument(metavar="ROLE", help=f"{ROLES}.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Change what an operator may do at the console."""
    with open_record() as record, explain_refusals({"operator": f"ID {operator_id}"}):
        operators.set_role(record.database, operator_id, role)
    say_result(as_json, {"id": operator_id, "role": role.value}, f"The role is {role.value}.")


@operator_app.command("leave")
def leave(operator_id: OperatorId, as_json: AsJson = False) -> None:
    """Record that an operator has left: they can neither sign in nor act, and their sessions end."""
    with open_record() as record, explain_refusals({"operator": f"ID {operator_id}"}):
        operators.leave(record.database, operator_id)
    say_result(as_json, {"id": operator_id}, "The operator has left.")


@operator_app.command("reset-second-factor")
def reset_second_factor(operator_id: OperatorId, as_json: AsJson = False) -> None:
    """Remove an operator's second factor, for somebody who lost their device. They set up another with their next sign-in.
    The account with which they used single sign-on is forgotten too: the next one with their email is theirs.

    First make sure that it is they who ask.
    """
    with open_record() as record, explain_refusals({"operator": f"ID {operator_id}"}):
        operators.reset_second_factor(record.database, operator_id)
    say_result(as_json, {"id": operator_id}, "The second factor is removed.")


def _as_json(entry: OperatorLogin) -> dict[str, object]:
    row = entry.operator
    return {"id": row.id, "name": row.name, "email": entry.login.email, "role": row.role, "left_at": row.left_at}


def _table(found: Sequence[OperatorLogin]) -> Table:
    made = table("Operator", "Name", "Role", "Left", no_wrap=[0])
    for entry in found:
        row = entry.operator
        made.add_row(str(row.id), clean(row.name), row.role, short_utc(row.left_at) if row.left_at else "")
    return made
