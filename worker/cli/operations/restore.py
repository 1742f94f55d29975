"""The commands `restore begin` and `restore finish`: before and after restoring a database backup."""

from __future__ import annotations

import typer

from handlers.operations import restore
from worker.cli.database import open_record
from worker.cli.operator import BY_HAND, AsOperator, OptionalReason, Reason, acting
from worker.cli.output import AsJson, count_of, say, say_json, say_result

restore_app = typer.Typer(no_args_is_help=True, help="Steps around restoring a database backup.")


@restore_app.command("begin")
def begin(operator: AsOperator, reason: Reason, as_json: AsJson = False) -> None:
    """Pause everything, hold back every email that may have been sent since the backup, and sign everybody out.

    Run it after `db upgrade` and before the first process starts. The steps are in docs/operations.md.
    """
    with open_record() as record, acting(record, operator, reason) as act:
        begun = restore.begin(record.database, act)
    if as_json:
        say_json({"id": begun.restore_id, "emails_unknown": begun.emails})
        return
    say("Everything is paused. You can start the processes.")
    emails = count_of(begun.emails, "welcome email")
    say(f"{emails} may have been sent since the backup and will not be sent again without confirmation.")
    say("Everybody signs in again; earlier links for a colleague's password no longer work.")
    say("Next: portal-sync reconcile, and portal-sync restore finish. Then decide about each email of:")
    say("  portal-sync emails list --state unknown")


@restore_app.command("finish")
def finish(operator: AsOperator, reason: OptionalReason = BY_HAND, as_json: AsJson = False) -> None:
    """Resume work."""
    with open_record() as record, acting(record, operator, reason) as act:
        restore_id = restore.finish(record.database, act)
    say_result(as_json, {"id": restore_id}, "Work is resumed.")
