"""The command `import`: requests one import or many, and follows them to the end with `--wait`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID, uuid4

import typer

from handlers.imports import queries
from handlers.imports.accept import accept, accept_batch
from handlers.imports.queries import ImportCounts
from handlers.imports.request import ImportRequest, parse
from portal_db.database import DATABASE_AWAY
from portal_db.states import ClientKind, ClientType, EntityType, ImportState, Subscription
from portal_db.tables import Import
from worker.cli.database import BestEffortBell, Record, open_record
from worker.cli.exits import ExitCode, Problem, explain_refusals
from worker.cli.imports import file as import_file
from worker.cli.imports.progress import busy, watch
from worker.cli.operator import Practice
from worker.cli.output import AsJson, clean, console, count_of, note, say, say_json, say_line, state_words
from worker.cli.show_imports import import_json, imports_table

SHOWN = 20
BIG_BATCH = 500
"""From this number of rows, recording a batch takes long enough to show progress."""

StaffOption = Annotated[
    UUID, typer.Option("--as", metavar="ID", help="The staff member who imports.", show_default=False)
]
XpmUuid = Annotated[UUID | None, typer.Argument(metavar="XPM_UUID", help="The XPM client.", show_default=False)]
FileOption = Annotated[
    str | None, typer.Option("--file", metavar="FILE", help="CSV, Excel or JSON lines, one row each; - is stdin.")
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
class Run:
    """How the command runs: under which key, as one import or a batch, whether and how long to wait, and its output."""

    key: str
    as_batch: bool
    wait: bool
    timeout: float | None
    as_json: bool


@dataclass(frozen=True)
class Requested:
    """What was recorded: the imports in order, and their batch if they are one."""

    import_ids: Sequence[UUID]
    is_new: bool
    batch_id: UUID | None = None


def import_clients(
    practice: Practice,
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

    With --wait the exit code is 0 if all succeeded, else 1; without it, 0 if all were accepted. A file needs the
    columns xpm_uuid and kind. Optional columns: name, entity_type, email, client_type, subscription,
    send_welcome_email, bring_details, bring_relationships. If recording a file is cut off, run the same command again
    with the request id that it printed.
    """
    inputs = {"kind": kind, "name": name, "entity_type": entity_type, "email": email, "client_type": client_type,
              "subscription": subscription, "send_welcome_email": welcome,
              "bring_details": not no_details if no_details is not None else None,
              "bring_relationships": not no_relationships if no_relationships is not None else None}  # fmt: skip
    run = Run(request_id or str(uuid4()), file is not None, wait or timeout is not None, timeout, as_json)
    shared = {"practice_id": str(practice), "requested_by": str(staff), "request_id": run.key}
    given = {name: value for name, value in inputs.items() if value is not None}
    requests = _requests(xpm_uuid, file, given, shared)
    if dry_run:
        _print_plan(requests, as_json)
    else:
        _request(requests, run)


def _requests(
    xpm_uuid: UUID | None, file: str | None, inputs: dict[str, Any], shared: dict[str, str]
) -> Sequence[ImportRequest]:
    """The one client with its inputs, or the rows of the file."""
    if (xpm_uuid is None) == (file is None):
        raise Problem("Give either the XPM_UUID of one client, or --file.", ExitCode.MISUSED)
    if file is not None and inputs:
        raise Problem("With --file, put each row's options in its columns.", ExitCode.MISUSED)
    if file is not None:
        return import_file.read(file, shared)
    if "kind" not in inputs:
        raise Problem("Give --kind individual or --kind entity.", ExitCode.MISUSED)
    return [parse({**inputs, **shared, "xpm_uuid": xpm_uuid})]


def _request(requests: Sequence[ImportRequest], run: Run) -> None:
    with open_record() as record:
        requested = _record(record, requests, run)
        if not run.as_json:
            _print_accepted(requested, run.key)
        in_time = _wait(record, requested, run.timeout) if run.wait else True
        found = queries.requested(record.database, import_id=requested.import_ids[0], batch_id=requested.batch_id)
    if run.as_json:
        rows = [import_json(row) for row in found]
        say_json({"request_id": run.key, "batch_id": requested.batch_id, "imports": rows})
    elif run.wait:
        _print_results(found)
    if not in_time:
        still = count_of(sum(row.state.is_open for row in found), "import is", "imports are")
        raise Problem(
            f"{still} still open after {run.timeout:g} s. They continue in the background: see `portal-sync imports list`."
        )
    if run.wait and any(row.state is not ImportState.SUCCEEDED for row in found):
        raise typer.Exit(ExitCode.FAILED)


def _record(record: Record, requests: Sequence[ImportRequest], run: Run) -> Requested:
    first = requests[0]
    labels = {"practice_id": f"--practice {first.practice_id}", "requested_by": f"--as {first.requested_by}",
             "request_id": f"--request-id {clean(run.key)}"}  # fmt: skip
    is_big = len(requests) >= BIG_BATCH
    with explain_refusals(labels):
        if not run.as_batch:
            one = accept(record.database, BestEffortBell(record.settings), first)
            return Requested((one.import_id,), one.is_new)
        note(f"request id {clean(run.key)}")
        try:
            with busy(f"Recording {count_of(len(requests), 'import')}") if is_big else nullcontext():
                batch = accept_batch(record.database, BestEffortBell(record.settings), run.key, requests)
        except (KeyboardInterrupt, *DATABASE_AWAY):
            note(f"Part of the batch may be recorded. To go on: the same command with --request-id {clean(run.key)}")
            raise
    return Requested(batch.import_ids, batch.is_new, batch.batch_id)


def _wait(record: Record, requested: Requested, timeout: float | None) -> bool:
    """Watch until all imports are closed. False if the time runs out first."""
    until = time.monotonic() + timeout if timeout is not None else float("inf")

    def count() -> ImportCounts:
        return queries.counts(record.database, import_id=requested.import_ids[0], batch_id=requested.batch_id)

    try:
        return not watch(count, len(requested.import_ids), keep_watching=lambda _: time.monotonic() < until).open
    except KeyboardInterrupt:
        raise Problem(
            "Interrupted. The imports continue: see `portal-sync imports list`.", ExitCode.INTERRUPTED
        ) from None


def _print_accepted(requested: Requested, key: str) -> None:
    again = "" if requested.is_new else " (already requested; nothing is done twice)"
    if requested.batch_id is None:
        say_line(f"Accepted import {requested.import_ids[0]}{again}")
        note(f"request id {key}")
    else:
        say_line(f"Accepted {count_of(len(requested.import_ids), 'import')} as batch {requested.batch_id}{again}")


def _print_results(found: Sequence[Import]) -> None:
    if len(found) == 1:
        row = found[0]
        state = state_words(row.state).capitalize()
        say(" ".join(filter(None, (f"{state}.", row.outcome_message, row.outcome_remedy))))
        return
    others = [row for row in found if row.state is not ImportState.SUCCEEDED]
    say(f"{len(found) - len(others):,} of {len(found):,} succeeded.")
    if others:
        console().print(imports_table(others[:SHOWN]))
        if len(others) > SHOWN:
            say(f"… and {len(others) - SHOWN:,} more: portal-sync imports list --limit {len(found)}")


def _print_plan(requests: Sequence[ImportRequest], as_json: bool) -> None:
    rows = [request.model_dump(mode="json", exclude_none=True) for request in requests]
    if as_json:
        say_json(rows)
        return
    say(f"This would request {count_of(len(rows), 'import')}:")
    for row in rows[:SHOWN]:
        extras = [f"{name} {value}" for name, value in row.items()
                  if name not in (*import_file.BATCH_FIELDS, "xpm_uuid", "kind")]  # fmt: skip
        say(clean(f"{row['xpm_uuid']} as {row['kind']}, {', '.join(extras)}"))
    if len(rows) > SHOWN:
        say(f"… and {len(rows) - SHOWN:,} more (all of them with --json)")
