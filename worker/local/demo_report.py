"""What the demo prints: what it starts, the result of each import, the figures, and what to try next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from rich.text import Text

from handlers.jobs.kinds import JobKind
from portal_db.states import ClientKind, ImportState, JobState
from portal_db.tables import Import
from portal_db.work import imports, progress
from worker.cli.output import clean, console, count_of, say, say_line, short_path, table
from worker.cli.show_imports import COLOURS
from worker.local.mail_catcher import Delivery
from worker.local.stack import LocalStack, Plan
from xpm.records import XpmClient

LONG_TABLE = 100
"""Above this many imports, only the first `SHOWN` are listed."""
SHOWN = 40
SHOWN_MAIL = 3
NAME_WIDTH = 32


@dataclass(frozen=True)
class Figures:
    """The keys of `portal-sync demo --json`.

    imports: by state. welcome_emails: delivered to the mail catcher. rejections: by code. xpm_calls, xpm_429: calls that
    the simulator received and rate-limited in this run. left_out: how many clients were read without a field, because its
    value cannot be read. dead: jobs that are dead letters. unfinished: imports still open.
    """

    imports: dict[str, int]
    clients_created: int
    entities_created: int
    details_imported: int
    relationships_found: int
    welcome_emails: int
    rejections: dict[str, int]
    left_out: dict[str, int]
    xpm_calls: int
    xpm_429: int
    dead: int
    unfinished: int
    seconds: float


def count(
    stack: LocalStack, batch_id: UUID, records: Sequence[XpmClient], seconds: float, counters: Mapping[str, Any]
) -> Figures:
    """Count the results of one batch. `counters` are the simulator's."""
    which = progress.of_batch(batch_id)
    with stack.database.read() as tx:
        states = progress.by_state(tx, which)
        jobs = progress.jobs_by_state(tx, which)
        details = progress.jobs_by_state(tx, which, kind=JobKind.IMPORT_DETAILS)
        created = progress.clients_created(tx, which)
        relationships = progress.relationships_found(tx, which)
        rejections = Counter(
            row.outcome_code or "" for row in imports.of_batch(tx, batch_id) if row.state is ImportState.REJECTED
        )
    return Figures(
        imports={state.value: states[state] for state in ImportState if state in states},
        clients_created=created.get(ClientKind.INDIVIDUAL, 0),
        entities_created=created.get(ClientKind.ENTITY, 0),
        details_imported=details.get(JobState.SUCCEEDED, 0),
        relationships_found=relationships,
        welcome_emails=len(_welcome_emails(stack, batch_id)),
        rejections=dict(sorted(rejections.items())),
        left_out=dict(sorted(Counter(name for record in records for name in record.omissions).items())),
        xpm_calls=counters["total_calls"],
        xpm_429=counters["statuses"].get("429", 0),
        dead=jobs.get(JobState.DEAD, 0),
        unfinished=sum(number for state, number in states.items() if state.is_open),
        seconds=round(seconds, 1),
    )


def show_plan(plan: Plan, *, kept: bool) -> None:
    """Print what is about to start, and where its state is."""
    state = short_path(plan.folder) if kept else "a temporary folder, removed at the end (use --data DIR to keep it)"
    valkey = "" if plan.redis_url else "Valkey, "
    say(f"portal-sync demo: {count_of(plan.clients, 'XPM client')} (seed {plan.seed})", style="bold")
    say_line(f"  state     {state}")
    say(f"  starting  {valkey}XPM simulator, mail catcher, {plan.background + 2} workers, relay")


def show_results(
    stack: LocalStack,
    batch_id: UUID,
    records: Sequence[XpmClient],
    figures: Figures,
    counters: Mapping[str, Any],
    *,
    kept: bool,
) -> None:
    """Print the results. `records` are the clients in XPM; `counters` are the simulator's."""
    with stack.database.read() as tx:
        rows = imports.of_batch(tx, batch_id)
    _show_imports(rows, {record.uuid: record.name for record in records}, kept=kept)
    _show_rejections(rows)
    _show_left_out(records)
    _heading("Imported")
    say(
        f"  {count_of(figures.clients_created, 'client')} and"
        f" {count_of(figures.entities_created, 'entity', 'entities')};"
        f" {figures.details_imported:,} with details;"
        f" {count_of(figures.relationships_found, 'review item')}; {figures.seconds:g} s"
    )
    _show_mail(_welcome_emails(stack, batch_id), stack.mailbox.folder, kept=kept)
    _heading("XPM")
    say(
        f"  {count_of(figures.xpm_calls, 'call')}, up to {counters['greatest_concurrency']} at once;"
        f" {figures.xpm_429} rate-limited"
    )
    _show_next_steps(stack, kept=kept)


def _welcome_emails(stack: LocalStack, batch_id: UUID) -> list[Delivery]:
    """The delivered welcome emails of the batch's clients, one for each delivery."""
    with stack.database.read() as tx:
        ids = progress.welcome_message_ids(tx, progress.of_batch(batch_id))
    return [mail for mail in stack.mailbox.deliveries() if mail.message_id.strip("<>").partition("@")[0] in ids]


def _heading(text: str) -> None:
    say()
    say(text, style="bold")


def _show_imports(rows: Sequence[Import], names: Mapping[UUID, str], *, kept: bool) -> None:
    shown = rows if len(rows) <= LONG_TABLE else rows[:SHOWN]
    _heading("Results")
    made = table("Client in XPM", "Type", "Result", "Reason")
    made.columns[0].width = NAME_WIDTH
    for column, overflow in zip(made.columns, ("ellipsis", "fold", "fold", "ellipsis"), strict=True):
        column.no_wrap = True
        column.overflow = overflow  # type: ignore[assignment]  # these are values of the Literal
    for row in shown:
        name = clean(names.get(row.xpm_uuid, str(row.xpm_uuid)))
        state = Text(row.state.value.replace("_", " "), style=COLOURS.get(row.state, ""))
        made.add_row(name, row.kind.value, state, row.outcome_code or "")
    console().print(made)
    if len(shown) < len(rows):
        more = "the commands below" if kept else "--data DIR and `portal-sync imports list`"
        say(f"… and {len(rows) - len(shown):,} more; list them with {more}")


def _show_rejections(rows: Sequence[Import]) -> None:
    by_code: dict[str, list[Import]] = {}
    for row in rows:
        if row.state not in (ImportState.SUCCEEDED, ImportState.CANCELLED) and row.outcome_code:
            by_code.setdefault(row.outcome_code, []).append(row)
    if not by_code:
        return
    _heading("Rejected, and what to do")
    for code, of_code in sorted(by_code.items(), key=lambda item: (-len(item[1]), item[0])):
        first = of_code[0]
        say(f"  {len(of_code)} x {code}", style="red")
        _indented(first.outcome_message)
        _indented(first.outcome_remedy)


def _show_left_out(records: Sequence[XpmClient]) -> None:
    odd = [record for record in records if record.omissions]
    if odd:
        _heading("Left out, because XPM has it in a form that cannot be read")
    for record in odd[:SHOWN]:
        say_line(f"  {clean(record.name)}: {', '.join(record.omissions)}")
    if len(odd) > SHOWN:
        say(f"  … and {len(odd) - SHOWN:,} more clients")


def _indented(text: str | None) -> None:
    out = console()
    for line in Text(text or "").wrap(out, out.width - 6):
        out.print(Text("      ") + line)


def _show_mail(mail: Sequence[Delivery], folder: Path, *, kept: bool) -> None:
    _heading("Welcome emails")
    say_line(f"  {len(mail):,} caught" + (f" in {short_path(folder)}" if kept else ""))
    for delivery in mail[:SHOWN_MAIL]:
        console().print(
            Text(clean(f"  {delivery.subject}, to {delivery.recipient}")), no_wrap=True, overflow="ellipsis"
        )
    if len(mail) > SHOWN_MAIL:
        say(f"  … and {len(mail) - SHOWN_MAIL:,} more")


def _show_next_steps(stack: LocalStack, *, kept: bool) -> None:
    _heading("Next steps")
    if not kept:
        say_line("  portal-sync demo --data demo-data   keep the state; run it again to continue")
        say_line("  portal-sync --help                  list all commands")
        return
    url = "…" if stack.plan.database_url else f"sqlite:///{short_path(stack.plan.folder)}/portal-sync.db"
    say_line(f"  export DATABASE_URL={url}")
    say_line("  portal-sync imports list --state rejected")
    say_line("  portal-sync imports show ID")
    say_line(f"  ls {short_path(stack.logs)} {short_path(stack.mailbox.folder)}")
