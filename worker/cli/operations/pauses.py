"""The commands `pause`, `resume` and `pauses list`: stopping and resuming claims of a practice, a lane or a kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Group

from handlers.operations import pauses
from portal_db.states import Lane
from portal_db.work.pauses import Paused, Scope
from worker.cli.database import open_record
from worker.cli.operator import BY_HAND, AsOperator, OptionalReason, Reason, acting
from worker.cli.output import AsJson, details_table, fields, say, say_json, say_list, say_result, utc

pause_app = typer.Typer(no_args_is_help=True, help="Pause work; running jobs finish.")
resume_app = typer.Typer(no_args_is_help=True, help="Resume paused work.")
pauses_app = typer.Typer(no_args_is_help=True, help="List pauses.")

PracticeId = Annotated[UUID, typer.Argument(metavar="ID", help="The practice.", show_default=False)]
LaneName = Annotated[Lane, typer.Argument(metavar="LANE", help=f"One of {', '.join(Lane)}.", show_default=False)]
KindName = Annotated[str, typer.Argument(metavar="KIND", help="Such as import_details.", show_default=False)]
OnlyLane = Annotated[Lane | None, typer.Option("--lane", metavar="LANE", help="Only its jobs in this lane.")]
OnlyKind = Annotated[str | None, typer.Option("--kind", metavar="KIND", help="Only its jobs of this kind.")]


@pause_app.command("practice")
def pause_practice(
    practice: PracticeId,
    operator: AsOperator,
    reason: Reason,
    lane: OnlyLane = None,
    kind: OnlyKind = None,
    as_json: AsJson = False,
) -> None:
    """Pause a practice, or its jobs in a lane or of a kind."""
    _pause(Scope(practice, lane, kind), operator, reason, as_json)


@pause_app.command("lane")
def pause_lane(lane: LaneName, operator: AsOperator, reason: Reason, as_json: AsJson = False) -> None:
    """Pause a lane for all practices."""
    _pause(Scope(lane=lane), operator, reason, as_json)


@pause_app.command("kind")
def pause_kind(kind: KindName, operator: AsOperator, reason: Reason, as_json: AsJson = False) -> None:
    """Pause a kind of job for all practices."""
    _pause(Scope(kind=kind), operator, reason, as_json)


@pause_app.command("everything")
def pause_everything(operator: AsOperator, reason: Reason, as_json: AsJson = False) -> None:
    """Pause everything, for example after restoring a backup. Requests are still accepted."""
    _pause(Scope(), operator, reason, as_json)


@resume_app.command("practice")
def resume_practice(
    practice: PracticeId,
    operator: AsOperator,
    lane: OnlyLane = None,
    kind: OnlyKind = None,
    reason: OptionalReason = BY_HAND,
    as_json: AsJson = False,
) -> None:
    """Resume a practice, or its paused lane or kind."""
    _resume(Scope(practice, lane, kind), operator, reason, as_json)


@resume_app.command("lane")
def resume_lane(
    lane: LaneName, operator: AsOperator, reason: OptionalReason = BY_HAND, as_json: AsJson = False
) -> None:
    """Resume a lane."""
    _resume(Scope(lane=lane), operator, reason, as_json)


@resume_app.command("kind")
def resume_kind(
    kind: KindName, operator: AsOperator, reason: OptionalReason = BY_HAND, as_json: AsJson = False
) -> None:
    """Resume a kind of job."""
    _resume(Scope(kind=kind), operator, reason, as_json)


@resume_app.command("everything")
def resume_everything(operator: AsOperator, reason: OptionalReason = BY_HAND, as_json: AsJson = False) -> None:
    """End the pause of everything; pauses of practices, lanes and kinds remain."""
    _resume(Scope(), operator, reason, as_json)


@pauses_app.command("list")
def list_pauses(
    practice: Annotated[UUID | None, typer.Option(metavar="ID", help="Only pauses that affect this practice.")] = None,
    as_json: AsJson = False,
) -> None:
    """List pauses, oldest first."""
    with open_record() as record:
        found = pauses.listing(record.database, practice)
    say_list(found, as_json, _result, _tables, empty="Nothing is paused.")


def _tables(found: Sequence[Paused]) -> Group:
    return Group(*[
        details_table({
            "Paused": str(paused.scope),
            "By": f"{paused.by or 'the system'} at {utc(paused.pause.created_at)}",
            "Why": paused.pause.reason,
        })
        for paused in found
    ])  # fmt: skip


def _pause(scope: Scope, operator: str, reason: str, as_json: bool) -> None:
    with open_record() as record, acting(record, operator, reason, **_labels(scope)) as act:
        paused = pauses.pause(record.database, act, scope)
    text = f"Paused: {scope}. Running jobs finish; no other job of it starts until it is resumed."
    say_result(as_json, _result(paused), text)


def _resume(scope: Scope, operator: str, reason: str, as_json: bool) -> None:
    with open_record() as record, acting(record, operator, reason, **_labels(scope)) as act:
        pauses.resume(record.database, act, scope)
        left = pauses.listing(record.database, scope.practice_id)
    if as_json:
        say_json({"resumed": fields(scope, SCOPE), "still_paused": [_result(paused) for paused in left]})
        return
    say(f"Resumed: {scope}.")
    for paused in left:
        say(f"Still paused: {paused.scope}.")


def _labels(scope: Scope) -> dict[str, str]:
    return {"practice_id": f"Practice {scope.practice_id}", "kind": f"Kind {scope.kind}"}


SCOPE = "practice_id lane kind"


def _result(paused: Paused) -> dict[str, Any]:
    return {**fields(paused.scope, SCOPE), **fields(paused.pause, "id reason paused_by", since="created_at")}
