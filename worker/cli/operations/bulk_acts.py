"""Acts on many dead letters: carried out here and now, and the commands that list, stop and resume them."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any
from uuid import UUID

import typer

from handlers.access.act import Act
from handlers.access.outcomes import Outcomes
from handlers.errors import RequestRefused
from handlers.operations import bulk
from handlers.operations.bulk import Selection
from portal_db.database import Database
from portal_db.states import BulkAction, BulkState
from portal_db.work.bulk_acts import BulkEntry
from worker.cli import operator
from worker.cli.database import open_record
from worker.cli.operator import BY_HAND, AsOperator, OptionalReason, acting, progress_of
from worker.cli.output import AsJson, console, details_table, fields, note, say, say_json, say_result, utc

BulkId = Annotated[UUID, typer.Argument(metavar="ACT", help="The act's id.", show_default=False)]


def carry_out(
    database: Database,
    act: Act,
    chosen: Selection,
    action: BulkAction,
    doing: str,
    shown: int,
    per_minute: int | None = None,
) -> tuple[Outcomes[Any], bool]:
    """Carry a bulk act out here and now. Interrupted, it is stopped; if this process dies, the relay goes on with it.

    Returns:
        What was done, and whether the act was stopped before its end.
    """
    row = bulk.start(database, act, chosen, action, shown=shown, per_minute=per_minute, reserved=True)
    outcomes: Outcomes[Any] = Outcomes()
    try:
        with progress_of(doing, row.total) as advance:
            while (piece := bulk.carry_out_piece(database, row.id, reserved=True)) is not None:
                outcomes.done += piece.done
                outcomes.refused += piece.refused
                advance(len(piece.done) + len(piece.refused))
    except KeyboardInterrupt:
        with suppress(RequestRefused):  # it ended meanwhile
            bulk.stop(database, act, row.id)
        _is_stopped(database, row.id)
        raise
    return outcomes, _is_stopped(database, row.id)


def _is_stopped(database: Database, bulk_id: UUID) -> bool:
    """Whether an act was stopped, here or by somebody else. If so, print how far it is."""
    row = bulk.get(database, bulk_id).act
    if row.state is not BulkState.STOPPED:
        return False
    note(f"Stopped after {row.done:,} of {row.total:,}. To go on: portal-sync dead resume {row.id}")
    return True


def list_acts(limit: operator.Limit = 20, as_json: AsJson = False) -> None:
    """List the latest acts on many dead letters: how far each is, who started it, and why."""
    with open_record() as record:
        found = bulk.listing(record.database, limit=limit)
    if as_json:
        say_json([_act_json(entry) for entry in found])
    elif not found:
        say("No bulk acts.")
    else:
        for entry in found:
            console().print(details_table(_act_details(entry)))
            say()


def stop_act(bulk_id: BulkId, operator: AsOperator, reason: OptionalReason = BY_HAND, as_json: AsJson = False) -> None:
    """Stop an act on many dead letters. Those that it has requeued go on; the others stay as they are."""
    with open_record() as record, acting(record, operator, reason, bulk_id=f"Act {bulk_id}") as act:
        bulk.stop(record.database, act, bulk_id)
        entry = bulk.get(record.database, bulk_id)
    say_result(as_json, _act_json(entry), f"Stopped after {entry.act.done:,} of {entry.act.total:,}.")


def resume_act(
    bulk_id: BulkId, operator: AsOperator, reason: OptionalReason = BY_HAND, as_json: AsJson = False
) -> None:
    """Let an act on many dead letters go on that was stopped. The relay carries it out."""
    with open_record() as record, acting(record, operator, reason, bulk_id=f"Act {bulk_id}") as act:
        bulk.resume(record.database, act, bulk_id)
        entry = bulk.get(record.database, bulk_id)
    say_result(as_json, _act_json(entry), f"It goes on after {entry.act.done:,} of {entry.act.total:,}.")


def _act_json(entry: BulkEntry) -> dict[str, Any]:
    names = "id action state selection per_minute reason total done refused refusals created_at finished_at"
    return {**fields(entry.act, names), "by": entry.by}


def _act_details(entry: BulkEntry) -> dict[str, str | None]:
    row = entry.act
    return {
        "Act": str(row.id),
        "What": f"{row.action.value}, {row.state.value}: {row.done:,} of {row.total:,} done, {row.refused:,} refused",
        "By": f"{entry.by} at {utc(row.created_at)}",
        "Why": row.reason,
    }
