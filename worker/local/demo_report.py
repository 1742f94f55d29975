"""The demo in words: what is started, what became of each client, and where to look next. Made-up names, shown here only."""

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
from worker.cli.output import clean, console, count_of, say, say_line, short, table
from worker.cli.show_imports import COLOURS
from worker.local.mail_catcher import Delivery
from worker.local.stack import EmbeddedShape, Plan

LONG_TABLE = 100
"""More imports than this are not all shown."""
SHOWN = 40
SHOWN_MAIL = 3
NAME_WIDTH = 32


def opening(plan: Plan, *, kept: bool) -> None:
    """What is about to happen, and where."""
    workers = plan.background + 2
    say(f"portal-sync demo: {count_of(plan.clients, 'XPM client')} (seed {plan.seed})", style="bold")
    say_line(
        f"  in        {short(plan.folder) if kept else 'a temporary folder, removed at the end (--data DIR keeps it)'}"
    )
    own = [name for name, given in (("Valkey", plan.redis_url), ("XPM simulator", None)) if given is None]
    say(f"  starting  {', '.join(own)}, mail catcher, {workers} workers, relay")


def tell(
    shape: EmbeddedShape,
    rows: Sequence[Import],
    names: Mapping[UUID, str],
    figures: Figures,
    mail: Sequence[Delivery],
    counters: Mapping[str, Any],
    *,
    kept: bool,
) -> None:
    """What became of everything.

    Args:
        names: the clients' names by XPM uuid.
        counters: the simulator's, as it tells them.
    """
    _each(rows, names, kept=kept)
    _rejections(rows)
    _made(figures)
    _mail(mail, shape.mailbox.folder, kept=kept)
    _heading("XPM")
    say(
        f"  {count_of(figures.xpm_calls, 'call')}, {counters['greatest_concurrency']} at once at most;"
        f" {figures.xpm_429} refused for a limit"
    )
    _next(shape, kept=kept)


def _heading(text: str) -> None:
    say()
    say(text, style="bold")


def _each(rows: Sequence[Import], names: Mapping[UUID, str], *, kept: bool) -> None:
    shown = rows if len(rows) <= LONG_TABLE else rows[:SHOWN]
    _heading("What became of each")
    made = table("Client in XPM", "As", "Result", "Why")
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
        say(f"… and {len(rows) - len(shown):,} more; see them with {more}")


def _rejections(rows: Sequence[Import]) -> None:
    by_code: dict[str, list[Import]] = {}
    for row in rows:
        if row.state not in (ImportState.SUCCEEDED, ImportState.CANCELLED) and row.outcome_code:
            by_code.setdefault(row.outcome_code, []).append(row)
    if not by_code:
        return
    _heading("What was turned down, and what to do about it")
    for code, of_code in sorted(by_code.items(), key=lambda item: (-len(item[1]), item[0])):
        first = of_code[0]
        say(f"  {len(of_code)} x {code}", style="red")
        _indented(first.outcome_message)
        _indented(first.outcome_remedy)


def _indented(text: str | None) -> None:
    out = console()
    for line in Text(text or "").wrap(out, out.width - 6):
        out.print(Text("      ") + line)


def _made(figures: Figures) -> None:
    _heading("What was made")
    say(
        f"  {count_of(figures.clients_created, 'client')} and"
        f" {count_of(figures.entities_created, 'entity', 'entities')};"
        f" details of {figures.details_imported:,},"
        f" {count_of(figures.relationships_found, 'relationship')} to review; {figures.seconds:g} s"
    )


def _mail(mail: Sequence[Delivery], folder: Path, *, kept: bool) -> None:
    _heading("Welcome emails")
    say_line(f"  {len(mail):,} caught" + (f" in {short(folder)}" if kept else ""))
    for delivery in mail[:SHOWN_MAIL]:
        console().print(
            Text(clean(f"  {delivery.subject}, to {delivery.recipient}")), no_wrap=True, overflow="ellipsis"
        )
    if len(mail) > SHOWN_MAIL:
        say(f"  … and {len(mail) - SHOWN_MAIL:,} more")


def _next(shape: EmbeddedShape, *, kept: bool) -> None:
    _heading("Where to look next")
    if not kept:
        say_line("  portal-sync demo --data demo-data   keeps it all; run again, it goes on")
        say_line("  portal-sync --help                  what else there is")
        return
    url = shape.plan.database_url or f"sqlite:///{short(shape.plan.folder)}/portal-sync.db"
    say_line(f"  export DATABASE_URL={url if shape.plan.database_url is None else '…'}")
    say_line("  portal-sync imports list --state rejected")
    say_line("  portal-sync imports show ID")
    say_line(f"  ls {short(shape.logs)} {short(shape.mailbox.folder)}")


@dataclass(frozen=True)
class Figures:
    """The keys of `portal-sync demo --json`.

    imports: by state. welcome_emails: delivered, as the mail catcher has them. rejections: by code. xpm_calls, xpm_429:
    asked of and refused by the simulator in this run. dead: jobs that wait for operations. unfinished: imports still
    open.
    """

    imports: dict[str, int]
    clients_created: int
    entities_created: int
    details_imported: int
    relationships_found: int
    welcome_emails: int
    rejections: dict[str, int]
    xpm_calls: int
    xpm_429: int
    dead: int
    unfinished: int
    seconds: float


def deliveries_of(shape: EmbeddedShape, batch_id: UUID) -> list[Delivery]:
    """The welcome emails to the batch's clients that were delivered, one for each time it was."""
    with shape.database.read() as tx:
        ours = progress.welcome_message_ids(tx, progress.of_batch(batch_id))
    return [mail for mail in shape.mailbox.deliveries() if mail.message_id.strip("<>").partition("@")[0] in ours]


def count(shape: EmbeddedShape, batch_id: UUID, seconds: float, counters: dict[str, Any]) -> Figures:
    """Count everything of one batch.

    Args:
        counters: the simulator's, as it tells them.
    """
    which = progress.of_batch(batch_id)
    with shape.database.read() as tx:
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
        welcome_emails=len(deliveries_of(shape, batch_id)),
        rejections=dict(sorted(rejections.items())),
        xpm_calls=counters["total_calls"],
        xpm_429=counters["statuses"].get("429", 0),
        dead=jobs.get(JobState.DEAD, 0),
        unfinished=sum(number for state, number in states.items() if state.is_open),
        seconds=round(seconds, 1),
    )
