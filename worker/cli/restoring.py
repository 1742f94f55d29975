"""The commands `restore begin` and `restore finish`: around putting the database back from a backup."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from handlers import restore_backup
from worker.cli.exits import refusals_naming
from worker.cli.output import AsJson, count_of, say, say_json
from worker.cli.record import opened

restore_app = typer.Typer(no_args_is_help=True, help="After the database was put back from a backup.")

Operator = Annotated[UUID, typer.Option("--as", metavar="ID", help="The operator who does it.", show_default=False)]


@restore_app.command("begin")
def begin(
    operator: Operator,
    why: Annotated[str, typer.Option(metavar="TEXT", help="Which backup, and why.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Pause everything and hold back every email that may have left since the backup.

    To be run after `db upgrade` and before the first worker starts. The steps are in docs/operations.md.
    """
    with opened() as record, refusals_naming({"operator_id": f"--as {operator}"}):
        begun = restore_backup.begin(record.database, operator_id=operator, why=why)
    if as_json:
        say_json({"id": begun.restore_id, "emails_unknown": begun.emails})
        return
    say("Everything is paused: workers and the relay may be started.")
    say(f"{count_of(begun.emails, 'welcome email')} may have left since the backup and will not leave unconfirmed:")
    say("  portal-sync emails list --state unknown")
    say("Then: portal-sync reconcile, and portal-sync restore finish.")


@restore_app.command("finish")
def finish(operator: Operator, as_json: AsJson = False) -> None:
    """Let work go on."""
    with opened() as record, refusals_naming({"operator_id": f"--as {operator}"}):
        restore_id = restore_backup.finish(record.database, operator_id=operator)
    if as_json:
        say_json({"id": restore_id})
    else:
        say("Work goes on.")
