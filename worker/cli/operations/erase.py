"""The command `person erase`: a privacy request, previewed, confirmed and carried out."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console

from config.sources import Sources
from handlers.operations.erase import Erased, PersonToErase, erase, rehearse
from handlers.operations.reconcile import QueueAway
from worker.cli.database import open_record, redis_of
from worker.cli.exits import ExitCode, Problem
from worker.cli.operator import AsOperator, DryRun, Reason, Yes, acting, confirm
from worker.cli.output import AsJson, console, count_of, note, say_result, table
from worker.parts import Parts
from worker.queue.bell import RedisBell
from worker.queue.inspect import RedisQueues

person_app = typer.Typer(no_args_is_help=True, help="People whose data the portal holds.")


@person_app.callback()
def _group() -> None:
    """Keep `erase` a command of a group, although it is the only one."""


@person_app.command("erase")
def erase_person(
    operator: AsOperator,
    reason: Reason,
    client: Annotated[UUID | None, typer.Option(metavar="ID", help="The client's id.")] = None,
    practice: Annotated[UUID | None, typer.Option(metavar="ID", help="With --xpm-uuid: the practice's id.")] = None,
    xpm_uuid: Annotated[
        UUID | None, typer.Option(metavar="UUID", help="The XPM record of a person who is not a client.")
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Erase a person for a privacy request. It cannot be undone.

    Deletes the client, login, details, relationships, emails and every mention of them from the database and Redis.
    Shows which clients and what else will be deleted, and asks first. Ids and the audit trail remain, without the
    person's data. Backups, XPM and emails that were sent are not affected.
    """
    person = _person(client, practice, xpm_uuid)
    with (
        open_record() as record,
        acting(record, operator, reason) as act,
        Parts.assemble(record.settings) as parts,
    ):
        client_of_redis = redis_of(record.settings)
        bell = RedisBell(client_of_redis, record.settings.redis_namespace, Sources())
        queues = RedisQueues(client_of_redis, bell, record.settings.redis_namespace)
        try:
            done = rehearse(parts.services, queues, person, act)
            if not as_json or not (yes or dry_run):
                _show(done, console(stderr=as_json))
            if not dry_run:
                confirm("Erase all of this? It cannot be undone.", yes=yes)
                done = erase(parts.services, queues, person, act)
        except QueueAway:
            raise Problem(
                "Redis does not answer and may hold data of this person, so nothing was erased. Try again once it"
                " is back.",
                ExitCode.UNAVAILABLE,
            ) from None
    result = {"dry_run": dry_run, "client_ids": done.client_ids, "rows": dict(done.rows)}
    result["unreadable_messages"] = done.unreadable
    say_result(as_json, result, "Nothing was erased." if dry_run else "Erased.")


def _person(client: UUID | None, practice: UUID | None, xpm_uuid: UUID | None) -> PersonToErase:
    by_record = practice is not None and xpm_uuid is not None
    if (client is not None) == by_record or (client is not None and (practice or xpm_uuid)):
        raise Problem("Give either --client, or --practice and --xpm-uuid.", ExitCode.MISUSED)
    return PersonToErase(client_id=client, practice_id=practice, xpm_uuid=xpm_uuid)


def _show(plan: Erased, out: Console) -> None:
    out.print(f"{count_of(len(plan.client_ids), 'client')} to erase")
    for client_id in plan.client_ids:
        out.print(f"  {client_id}", soft_wrap=True)
    made = table("What", "Rows", right=[1])
    for place, count in plan.rows.items():
        made.add_row(place, f"{count:,}")
    out.print(made)
    if plan.unreadable:
        note(
            f"{count_of(plan.unreadable, 'malformed message')} cannot be decrypted with TOKEN_KEYS, and may name them."
        )
