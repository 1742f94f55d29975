"""The command `person erase`: a privacy request, previewed, confirmed and carried out."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import typer

from config.sources import Sources
from handlers.access.act import Act
from handlers.operations.erase import Erased, PersonToErase, erase, rehearse
from handlers.operations.reconcile import QueueAway
from handlers.services import Services
from worker.cli.database import opened, redis_of
from worker.cli.exits import ExitCode, Problem
from worker.cli.operator import AsOperator, DryRun, Reason, Yes, acting, confirm
from worker.cli.output import AsJson, console, count_of, note, say, say_json, table
from worker.parts import Parts
from worker.queue.bell import RedisBell
from worker.queue.inspect import RedisQueues

person_app = typer.Typer(no_args_is_help=True, help="People whose data the portal holds.")


@person_app.callback()
def _group() -> None:
    """So that `erase` is a command of a group although it is its only one."""


@person_app.command("erase")
def erase_person(
    operator: AsOperator,
    reason: Reason,
    client: Annotated[UUID | None, typer.Option(metavar="ID", help="The client.")] = None,
    practice: Annotated[UUID | None, typer.Option(metavar="ID", help="With --xpm-uuid: whose record it is.")] = None,
    xpm_uuid: Annotated[
        UUID | None, typer.Option(metavar="UUID", help="The XPM record of a person who is not a client.")
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Erase a person: a privacy request. It cannot be undone.

    Takes the client, login, details, relationships, emails and every mention of them out of the record and of Redis.
    Shows what would go and asks first. Ids and the audit trail stay, without the person's data. Backups, XPM and
    emails that were sent are not reached.
    """
    person = _person(client, practice, xpm_uuid)
    with (
        opened() as record,
        acting(record, operator, reason) as act,
        Parts.assemble(record.settings) as parts,
    ):
        client_of_redis = redis_of(record.settings)
        bell = RedisBell(client_of_redis, record.settings.redis_namespace, Sources())
        queues = RedisQueues(client_of_redis, bell, record.settings.redis_namespace)
        try:
            done = _rehearsed_and_done(parts.services, queues, person, act, dry_run=dry_run, yes=yes, as_json=as_json)
        except QueueAway:
            raise Problem(
                "Redis does not answer and may hold data of this person, so nothing was erased. Try again once it"
                " is back.",
                ExitCode.UNAVAILABLE,
            ) from None
    if as_json:
        say_json({"dry_run": dry_run, "rows": dict(done.rows), "unreadable_messages": done.unreadable})
    elif dry_run:
        say("Nothing was erased.")
    else:
        say("Erased.")


def _rehearsed_and_done(
    services: Services,
    queues: RedisQueues,
    person: PersonToErase,
    act: Act,
    *,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> Erased:
    plan = rehearse(services, queues, person, act)
    if not as_json:
        _show(plan)
    if dry_run:
        return plan
    confirm("Erase all of this? It cannot be undone.", yes=yes)
    return erase(services, queues, person, act)


def _person(client: UUID | None, practice: UUID | None, xpm_uuid: UUID | None) -> PersonToErase:
    by_record = practice is not None and xpm_uuid is not None
    if (client is not None) == by_record or (client is not None and (practice or xpm_uuid)):
        raise Problem("Give either --client, or --practice and --xpm-uuid.", ExitCode.MISUSED)
    return PersonToErase(client_id=client, practice_id=practice, xpm_uuid=xpm_uuid)


def _show(plan: Erased) -> None:
    made = table("What", "Rows")
    made.columns[1].justify = "right"
    shown: dict[str, Any] = dict(plan.rows)
    for place, count in shown.items():
        made.add_row(place, f"{count:,}")
    console().print(made)
    if plan.unreadable:
        note(f"{count_of(plan.unreadable, 'malformed message')} cannot be opened with TOKEN_KEYS, and may name them.")
