"""The command `import`: requests one import or many, and follows them to the end with `--wait`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID, uuid4

import typer

from handlers.errors import RequestRefused
from handlers.imports.accept import accept, accept_batch
from handlers.imports.request import ImportRequest, parse
from portal_db.states import ClientKind, ClientType, EntityType, ImportState, Subscription
from portal_db.tables import Import
from portal_db.work import imports, progress
from portal_db.work.progress import Which
from worker.cli.database import BestEffortBell, Record, opened
from worker.cli.exits import ExitCode, Problem, as_problem
from worker.cli.imports import file as import_file
from worker.cli.imports.progress import Progressed, busy, until_closed
from worker.cli.output import AsJson, clean, console, count_of, note, say, say_json, say_line
from worker.cli.show_imports import listed, result

SHOWN = 20
BIG_BATCH = 500
"""From this number of rows, recording a batch takes long enough to show progress."""

PracticeOption = Annotated[
    UUID, typer.Option("--practice", metavar="ID", help="The practice's id.", show_default=False)
]
StaffOption = Annotated[UUID, typer.Option("--as", metavar="ID", help="The staff member who asks.", show_default=False)]
XpmUuid = Annotated[UUID | None, typer.Argument(metavar="XPM_UUID", help="The XPM client.", show_default=False)]
FileOption = Annotated[
    str | None, typer.Option("--file", metavar="FILE", help="CSV or JSON lines, one row each; - is stdin.")
]
KindOption = Annotated[ClientKind | None, typer.Option("--kind", metavar="KIND", help="individual or entity.")]
NameOption = Annotated[str | None, typer.Option("--name", metavar="NAME", help="Use this name instead of XPM's.")]
TypeOption = Annotated[
    EntityType | None,
    typer.Option("--entity-type", metavar="TYPE", case_sensitive=False, help="Instead of XPM's, such as Trust."),
]
EmailOption = Annotated[str | None, typer.Option("--email", metavar="EMAIL", help="Use this email instead of XPM's.")]
ClientTypeOption = Annotated[
    ClientType | None, typer.Option("--client-type", metavar="TYPE", case_sensitive=False, help="Personal or Business.")
]
SubscriptionOption = Annotated[
    Subscription | None, typer.Option("--subscription", metavar="PLAN", case_sensitive=False, help="Starter or Pro.")
]
WelcomeOption = Annotated[bool | None, typer.Option("--welcome/--no-welcome", help="Send the welcome email, or not.")]
NoDetailsOption = Annotated[bool | None, typer.Option("--no-details", help="Do not import details.")]
NoRelationshipsOption = Annotated[bool | None, typer.Option("--no-relationships", help="Do not import relationships.")]
KeyOption = Annotated[
    str | None, typer.Option("--request-id", metavar="KEY", help="Your own key: the same key imports only once.")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would be requested; request nothing.")]
WaitOption = Annotated[bool, typer.Option("--wait", help="Wait until all are closed.")]
TimeoutOption = Annotated[float | None, typer.Option("--timeout", metavar="SECONDS", help="The longest time to wait.")]


@dataclass(frozen=True)
class How:
    """How it is asked for: under which key, as one or as a batch, whether and how long to wait, and for whom to tell."""

    key: str
    as_batch: bool
    wait: bool
    timeout: float | None
    as_json: bool


@dataclass(frozen=True)
class Asked:
    """What was recorded: the imports in order, and how they are found again."""

    request_id: str
    import_ids: Sequence[UUID]
    which: Which
    is_new: bool
    batch_id: UUID | None = None


def import_clients(
    practice: PracticeOption,
    staff: StaffOption,
    xpm_uuid: XpmUuid = None,
    file: FileOption = None,
    kind: KindOption = None,
    name: NameOption = None,
    entity_type: TypeOption = None,
    email: EmailOption = None,
    client_type: ClientTypeOption = None,
    subscription: SubscriptionOption = None,
    welcome: WelcomeOption = None,
    no_details: NoDetailsOption = None,
    no_relationships: NoRelationshipsOption = None,
    request_id: KeyOption = None,
    dry_run: DryRunOption = False,
    wait: WaitOption = False,
    timeout: TimeoutOption = None,
    as_json: AsJson = False,
) -> None:
    """Import one XPM client, or those of a file, into the portal.

    With --wait the exit code is 0 if all succeeded and 1 if not; without, it says whether all were accepted. Columns of
    a file: xpm_uuid and kind, and where wanted name, entity_type, email, client_type, subscription,
    send_welcome_email, bring_details, bring_relationships.
    """
    wishes = {"kind": kind, "name": name, "entity_type": entity_type, "email": email, "client_type": client_type,
              "subscription": subscription, "send_welcome_email": welcome,
              "bring_details": not no_details if no_details is not None else None,
              "bring_relationships": not no_relationships if no_relationships is not None else None}  # fmt: skip
    how = How(request_id or str(uuid4()), file is not None, wait or timeout is not None, timeout, as_json)
    whose = {"practice_id": str(practice), "requested_by": str(staff), "request_id": how.key}
    requests = _requests(xpm_uuid, file, {name: wish for name, wish in wishes.items() if wish is not None}, whose)
    if dry_run:
        _tell_plan(requests, as_json)
    else:
        _ask(requests, how)


def _requests(
    xpm_uuid: UUID | None, file: str | None, wishes: dict[str, Any], whose: dict[str, str]
) -> Sequence[ImportRequest]:
    """What is asked for: the one client with its wishes, or the rows of the file."""
    if (xpm_uuid is None) == (file is None):
        raise Problem("Give either the XPM_UUID of one client, or --file.", ExitCode.MISUSED)
    if file is None:
        return [_parsed({**wishes, **whose, "xpm_uuid": xpm_uuid})]
    if wishes:
        raise Problem("With --file, put each row's options in its columns.", ExitCode.MISUSED)
    return import_file.read(file, whose)


def _parsed(fields: dict[str, Any]) -> ImportRequest:
    if "kind" not in fields:
        raise Problem("Give --kind individual or --kind entity.", ExitCode.MISUSED)
    try:
        return parse(fields)
    except RequestRefused as refusal:
        raise as_problem(refusal, {}) from None


def _ask(requests: Sequence[ImportRequest], how: How) -> None:
    with opened() as record:
        asked = _recorded(record, requests, how)
        if not how.as_json:
            _tell_accepted(asked)
        in_time = _follow(record, asked, how.timeout) if how.wait else True
        found = _found(record, asked)
    if how.as_json:
        say_json(_results(asked, found))
    elif how.wait:
        _tell_results(found)
    if not in_time:
        still = count_of(sum(row.state.is_open for row in found), "import is", "imports are")
        raise Problem(
            f"{still} still open after {how.timeout:g} s. They continue in the background: see `portal-sync imports list`."
        )
    if how.wait and any(row.state is not ImportState.SUCCEEDED for row in found):
        raise typer.Exit(ExitCode.FAILED)


def _results(asked: Asked, found: Sequence[Import]) -> dict[str, Any]:
    return {
        "request_id": asked.request_id,
        "batch_id": str(asked.batch_id) if asked.batch_id else None,
        "imports": [result(row) for row in found],
    }


def _recorded(record: Record, requests: Sequence[ImportRequest], how: How) -> Asked:
    first, key = requests[0], how.key
    given = {"practice_id": f"--practice {first.practice_id}", "requested_by": f"--as {first.requested_by}",
             "request_id": f"--request-id {clean(key)}"}  # fmt: skip
    try:
        if not how.as_batch:
            one = accept(record.database, BestEffortBell(record.settings), first)
            return Asked(key, (one.import_id,), progress.of_import(one.import_id), one.is_new)
        if len(requests) < BIG_BATCH:
            batch = accept_batch(record.database, key, requests)
        else:
            with busy(f"Recording {count_of(len(requests), 'import')}"):
                batch = accept_batch(record.database, key, requests)
    except RequestRefused as refusal:
        raise as_problem(refusal, given) from None
    return Asked(key, batch.import_ids, progress.of_batch(batch.batch_id), batch.is_new, batch.batch_id)


def _follow(record: Record, asked: Asked, timeout: float | None) -> bool:
    """Watch until all are closed. False when the time was up before."""
    until = time.monotonic() + timeout if timeout is not None else float("inf")

    def in_time(_: Progressed) -> bool:
        return time.monotonic() < until

    try:
        return not until_closed(record.database, asked.which, len(asked.import_ids), go_on=in_time).open
    except KeyboardInterrupt:
        raise Problem(
            "Interrupted. The imports continue: see `portal-sync imports list`.", ExitCode.INTERRUPTED
        ) from None


def _found(record: Record, asked: Asked) -> list[Import]:
    with record.database.read() as tx:
        if asked.batch_id is not None:
            return imports.of_batch(tx, asked.batch_id)
        return [row for row in (imports.get(tx, import_id) for import_id in asked.import_ids) if row is not None]


def _tell_accepted(asked: Asked) -> None:
    again = "" if asked.is_new else " (already requested; nothing is done twice)"
    if asked.batch_id is None:
        say_line(f"Accepted import {asked.import_ids[0]}{again}")
    else:
        say_line(f"Accepted {count_of(len(asked.import_ids), 'import')} as batch {asked.batch_id}{again}")
    note(f"request id {asked.request_id}")


def _tell_results(found: Sequence[Import]) -> None:
    if len(found) == 1:
        row = found[0]
        say(" ".join(filter(None, (row.state.value.replace("_", " ").capitalize() + ".", row.outcome_message,
                                   row.outcome_remedy))))  # fmt: skip
        return
    amiss = [row for row in found if row.state is not ImportState.SUCCEEDED]
    say(f"{len(found) - len(amiss):,} of {len(found):,} succeeded.")
    if amiss:
        console().print(listed(amiss[:SHOWN]))
        if len(amiss) > SHOWN:
            say(f"… and {len(amiss) - SHOWN:,} more: portal-sync imports list --limit {len(found)}")


def _tell_plan(requests: Sequence[ImportRequest], as_json: bool) -> None:
    if as_json:
        say_json([row.model_dump(mode="json", exclude_none=True) for row in requests])
        return
    say(f"This would request {count_of(len(requests), 'import')}:")
    for row in requests[:SHOWN]:
        extras = [f"{name} {value}" for name, value in row.model_dump(mode="json", exclude_none=True).items()
                  if name not in (*import_file.BATCH_FIELDS, "xpm_uuid", "kind")]  # fmt: skip
        say(clean(f"{row.xpm_uuid} as {row.kind.value}, {', '.join(extras)}"))
    if len(requests) > SHOWN:
        say(f"… and {len(requests) - SHOWN:,} more (all of them with --json)")
