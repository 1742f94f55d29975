"""Pauses and resumes work of a practice, a lane or a kind: no more jobs are claimed, and running ones are completed."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from handlers import refusals
from handlers.access.act import Act
from handlers.access.practices import require_practice
from handlers.errors import RequestRefused
from handlers.jobs.kinds import KINDS
from portal_db.database import Database, Tx
from portal_db.work import pauses
from portal_db.work.pauses import Paused, Scope


def pause(database: Database, act: Act, scope: Scope) -> Paused:
    """Pause a scope. The act's reason is shown to everybody who asks why jobs wait.

    Raises:
        RequestRefused: there is no such practice or kind, or the same scope is paused already.
    """
    with database.write() as tx:
        _require_known(tx, scope)
        if not pauses.add(tx, scope, reason=act.why, paused_by=act.actor_id):
            raise _already_paused(pauses.get(tx, scope.id), scope)
        act.audit(tx, "work.pause", "pause", scope.id, scope.practice_id, before="running", after=f"paused: {scope}")
        paused = pauses.get(tx, scope.id)
        assert paused is not None  # noqa: S101 -- inserted above
        return paused


def resume(database: Database, act: Act, scope: Scope) -> None:
    """Resume a scope. Other pauses that cover its jobs stay.

    Raises:
        RequestRefused: no pause has this scope.
    """
    with database.write() as tx:
        if not pauses.lift(tx, scope.id):
            raise refusals.NOT_PAUSED(scope=scope)
        act.audit(tx, "work.resume", "pause", scope.id, scope.practice_id, before=f"paused: {scope}", after="running")


def _require_known(tx: Tx, scope: Scope) -> None:
    if scope.practice_id is not None:
        require_practice(tx, scope.practice_id)
    if scope.kind is not None and scope.kind not in KINDS:
        raise refusals.UNKNOWN_KIND(kinds=", ".join(KINDS))


def _already_paused(known: Paused | None, scope: Scope) -> RequestRefused:
    if known is None:  # lifted between the two statements
        return refusals.PAUSE_JUST_LIFTED(scope=scope)
    who = known.by or "the system"
    since = f" since {known.pause.created_at:%Y-%m-%d %H:%M:%S} UTC"
    return refusals.ALREADY_PAUSED(scope=str(scope).capitalize(), who=who, since=since, reason=known.pause.reason)


def listing(database: Database, practice_id: UUID | None = None) -> Sequence[Paused]:
    """All pauses, or those that affect a practice, oldest first."""
    with database.read() as tx:
        return pauses.listing(tx, practice_id=practice_id)
