"""The demo in words: what is started, what became of each client, and where to look next. Made-up names, shown here only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from rich.text import Text

from portal_db.states import ImportState
from portal_db.tables import Import
from worker.cli.output import clean, console, count_of, say, say_line, short, table
from worker.cli.telling import COLOURS
from worker.demo.figures import Figures
from worker.embedded.mail import Delivery
from worker.embedded.shape import EmbeddedShape, Plan

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
