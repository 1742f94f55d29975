"""Bulk acts: requeues or dismisses all dead letters that match a filter, or those that are listed.

A bulk act is a row. It is carried out in pieces: at once by the command line, or by the leader. Each dead letter is acted on
in the transaction that counts it, and only while the act runs, so a stop takes effect between two dead letters, and an act
whose process died goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from handlers import refusals
from handlers.access.act import Act
from handlers.access.outcomes import Outcomes
from handlers.errors import RequestRefused
from handlers.operations.dead_letters import Dismissed, Requeued, dismiss, refusal_of, requeue
from portal_db.database import Database, Tx
from portal_db.dialect import count_rows
from portal_db.paging import Cursor
from portal_db.states import BulkAction, BulkState, JobState
from portal_db.tables import BulkAct
from portal_db.types import database_time
from portal_db.work import bulk_acts, job_search
from portal_db.work.bulk_acts import BulkEntry
from portal_db.work.job_search import Filter
from portal_db.work.jobs import normalised

#: Dead letters of one piece.
PIECE = 100
#: How early the leader begins the next piece of an act with a pace.
AHEAD_SECONDS = 10.0
#: Dead letters that a preview checks one by one.
PREVIEWED = 200
#: Causes of refusals that are kept of one act.
MOST_CAUSES = 20

DEAD = Filter(states=(JobState.DEAD,))


@dataclass(frozen=True)
class Selection:
    """Which dead letters an act is about: those that match a filter, or those with these ids."""

    which: Filter = DEAD
    ids: tuple[UUID, ...] = ()

    def __post_init__(self) -> None:
        if not self.which.only_dead:  # stored without states, it would be about all dead letters
            raise ValueError("A selection is of dead letters only.")

    def as_json(self) -> dict[str, Any]:
        """The selection as it is stored."""
        if self.ids:
            return {"ids": [str(each) for each in self.ids]}
        group = str(self.which.group) if self.which.group is not None else None
        values = {**asdict(self.which), "group": group}
        return {name: str(value) if isinstance(value, UUID) else value
                for name, value in values.items() if value is not None and name != "states"}  # fmt: skip

    @classmethod
    def of_json(cls, stored: Mapping[str, Any]) -> Selection:
        if "ids" in stored:
            return cls(ids=tuple(map(UUID, stored["ids"])))
        values = dict(stored)
        if "group" in values:
            values["group"] = job_search.group_named(values["group"])
        for name in ("practice_id", "import_id"):
            if name in values:
                values[name] = UUID(values[name])
        return cls(replace(DEAD, **values))

    @property
    def scope(self) -> str:
        """The same for the same selection."""
        return hashlib.sha256(json.dumps(self.as_json(), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Cause:
    """Why some dead letters are refused: a code, one of the messages, and how many there are."""

    code: str
    message: str
    count: int


@dataclass(frozen=True)
class Preview:
    """What an act would do now. `checked` of `total` dead letters were checked one by one, oldest first."""

    total: int
    checked: int
    accepted: int
    causes: tuple[Cause, ...]
    practices: tuple[UUID, ...]


@dataclass
class _Causes:
    """Refusals, counted by their cause: their messages differ in ids and times."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    messages: dict[tuple[str, str], str] = field(default_factory=dict)

    @classmethod
    def of(cls, stored: Sequence[Mapping[str, Any]]) -> _Causes:
        found = cls()
        for each in stored:
            found.add(each["code"], each["message"], each["count"])
        return found

    def add(self, code: str, message: str, count: int = 1) -> None:
        cause = (code, normalised(message))
        self.counts[cause] += count
        self.messages.setdefault(cause, message)

    def listing(self) -> tuple[Cause, ...]:
        common = self.counts.most_common(MOST_CAUSES)
        return tuple(Cause(cause[0], self.messages[cause], count) for cause, count in common)


def preview(database: Database, selection: Selection, action: BulkAction) -> Preview:
    """What an act would do now; changes nothing. The number is bounded, so that the answer is quick."""
    causes, accepted = _Causes(), 0
    with database.read() as tx:
        now = database_time(tx.session)
        total = _count(tx, selection)
        found = [job_id for job_id, _ in _oldest(tx, selection, now, None, PREVIEWED)]
        practices = tuple(sorted(job_search.practices_of(tx, found)))
        for job_id in found:
            refusal = refusal_of(tx, job_id, requeue=action is BulkAction.REQUEUE)
            if refusal is None:
                accepted += 1
            else:
                causes.add(refusal.code, refusal.message)
    return Preview(total, len(found), accepted, causes.listing(), practices)


def count(database: Database, selection: Selection) -> int:
    """How many dead letters an act would be about now."""
    with database.read() as tx:
        return _count(tx, selection)


def start(
    database: Database,
    act: Act,
    selection: Selection,
    action: BulkAction,
    *,
    shown: int,
    per_minute: int | None = None,
    reserved: bool = False,
) -> BulkAct:
    """Record an act; it runs from now on.

    Args:
        shown: how many dead letters the operator was shown; if the number has changed, nothing is recorded.
        per_minute: how many dead letters start each minute.
        reserved: the caller carries it out. Should it die, the leader takes over within a minute.

    Raises:
        RequestRefused: no dead letter matches, or another number than was shown; or an operator's act on the same selection
            runs already.
    """
    with database.write() as tx:
        total = _count(tx, selection)
        if not total:
            raise refusals.NOTHING_MATCHES(last_act=_last(tx, selection))
        bulk_id = tx.new_id()
        row = {
            "id": bulk_id,
            "action": action,
            "selection": selection.as_json(),
            "scope": selection.scope,
            "per_minute": per_minute,
            "reason": act.why,
            "asked_by": act.actor_id,
            "total": total,
        }
        if not bulk_acts.add(tx, row, reserved=reserved):
            raise refusals.BULK_ACT_RUNS(last_act=_last(tx, selection))
        if total != shown:
            raise refusals.LETTERS_CHANGED(shown=shown, total=total)
        after = f"{action.value} {total}" + (f", {per_minute} a minute" if per_minute else "")
        act.audit(tx, "bulk.start", "bulk_act", bulk_id, selection.which.practice_id, after=after)
        return _require(tx, bulk_id).act


def stop(database: Database, act: Act, bulk_id: UUID) -> BulkAct:
    """Stop an act: no further dead letter is acted on. Those requeued already go on.

    Raises:
        RequestRefused: there is no such act, or it does not run.
    """
    with database.write() as tx:
        known = _require(tx, bulk_id).act
        if not bulk_acts.end(tx, bulk_id, BulkState.STOPPED):
            raise refusals.BULK_ACT_NOT_RUNNING(state=known.state.value)
        act.audit(tx, "bulk.stop", "bulk_act", bulk_id, None, before=f"done {known.done} of {known.total}")
        return _require(tx, bulk_id).act


def resume(database: Database, act: Act, bulk_id: UUID) -> BulkAct:
    """Let a stopped act go on where it was; its pace counts from now.

    Raises:
        RequestRefused: there is no such act, it was not stopped, or another one on the same selection runs.
    """
    with database.write() as tx:
        known = _require(tx, bulk_id).act
        if not bulk_acts.resume(tx, bulk_id):
            raise refusals.BULK_ACT_NOT_STOPPED(state=known.state.value)
        act.audit(tx, "bulk.resume", "bulk_act", bulk_id, None, before=f"done {known.done} of {known.total}")
        return _require(tx, bulk_id).act


def get(database: Database, bulk_id: UUID) -> BulkEntry:
    """One act.

    Raises:
        RequestRefused: there is none with this id.
    """
    with database.read() as tx:
        return _require(tx, bulk_id)


def listing(database: Database, *, limit: int) -> Sequence[BulkEntry]:
    """The latest acts, newest first."""
    with database.read() as tx:
        return bulk_acts.listing(tx, limit=limit)


def due(database: Database) -> Sequence[UUID]:
    """The acts whose next piece the leader may carry out now."""
    with database.read() as tx:
        return bulk_acts.due(tx, ahead_seconds=AHEAD_SECONDS)


class _Stopped(Exception):
    """The act does not run any more."""


def carry_out_piece(
    database: Database, bulk_id: UUID, *, reserved: bool = False
) -> Outcomes[Requeued | Dismissed] | None:
    """Act on the next dead letters of an act, as the operator who started it.

    Args:
        reserved: as in `start`. Then those whose turn comes later are not put off: each waits for it in the database.

    Returns:
        What was done; `None` when there is nothing to do now.
    """
    with database.write() as tx:
        row = bulk_acts.claim(tx, bulk_id, reserved=reserved, ahead_seconds=AHEAD_SECONDS)
        if row is None:
            return None
        now = database_time(tx.session)
        selection = Selection.of_json(row.selection)
        elapsed = (now - row.created_at).total_seconds()
        size = PIECE if reserved or row.per_minute is None else min(PIECE, row.per_minute)
        letters = _oldest(tx, _as_of_start(selection, elapsed), row.created_at, row.cursor, size)
    outcomes, cursor, offset = _act_on(database, row, letters, _offset(row, now))
    ended = len(letters) < size
    causes = _Causes.of(row.refusals)
    for _, refusal in outcomes.refused:
        causes.add(refusal.code, refusal.message)
    with database.write() as tx:
        bulk_acts.advance(
            tx,
            row.id,
            cursor=cursor,
            refused=len(outcomes.refused),
            refusals=[asdict(cause) for cause in causes.listing()],
            next_turn_seconds=offset if row.per_minute is not None else None,
            ended=ended,
            reserved=reserved,
        )
    return outcomes


def _act_on(
    database: Database, row: BulkAct, letters: Sequence[tuple[UUID, str]], offset: float
) -> tuple[Outcomes[Requeued | Dismissed], str | None, float]:
    """Act on dead letters in turn, until the act is stopped.

    Returns:
        What was done, how far that is, and the seconds until the next one's turn.
    """
    by = Act(row.asked_by, row.reason)
    gap = 60 / row.per_minute if row.per_minute else 0.0
    outcomes: Outcomes[Requeued | Dismissed] = Outcomes()
    cursor = row.cursor

    def counted(tx: Tx) -> None:
        if not bulk_acts.count_done(tx, row.id):
            raise _Stopped

    for job_id, position in letters:
        try:
            if row.action is BulkAction.REQUEUE:
                outcomes.done.append(
                    requeue(database, by, job_id, in_seconds=offset, in_background=True, counted=counted)
                )
            else:
                outcomes.done.append(dismiss(database, by, job_id, counted=counted))
            offset += gap
        except RequestRefused as refusal:
            outcomes.refused.append((job_id, refusal))
        except _Stopped:
            break
        cursor = position
    return outcomes, cursor, offset


def _offset(row: BulkAct, now: datetime) -> float:
    return max(0.0, (row.next_turn_at - now).total_seconds()) if row.next_turn_at is not None else 0.0


def _as_of_start(selection: Selection, elapsed: float) -> Selection:
    """The selection with its ages as they were when the act was started."""
    which = selection.which
    ages = {name: getattr(which, name) for name in ("older_than", "newer_than")}
    older = {name: age + elapsed for name, age in ages.items() if age is not None}
    return replace(selection, which=replace(which, **older))


def _oldest(tx: Tx, selection: Selection, until: datetime, cursor: str | None, limit: int) -> list[tuple[UUID, str]]:
    """The next dead letters, each with the cursor that it leads to."""
    if selection.ids:
        first = int(cursor or 0)
        return [(job_id, str(first + n)) for n, job_id in enumerate(selection.ids[first : first + limit], 1)]
    after = Cursor.parse(cursor) if cursor else None
    found = job_search.oldest_first(tx, selection.which, until=until, limit=limit, after=after)
    return [(job_id, str(where)) for job_id, where in found]


def _count(tx: Tx, selection: Selection) -> int:
    return len(selection.ids) or count_rows(tx, *selection.which.conditions())


def _require(tx: Tx, bulk_id: UUID) -> BulkEntry:
    found = bulk_acts.get(tx, bulk_id)
    if found is None:
        raise refusals.UNKNOWN_BULK_ACT()
    return found


def _last(tx: Tx, selection: Selection) -> str:
    """Who acted on the same selection last, and when."""
    last = bulk_acts.latest_of(tx, selection.scope)
    if last is None:
        return ""
    done = {BulkAction.REQUEUE: "requeued", BulkAction.DISMISS: "dismissed"}[last.act.action]
    return f": {last.by} has {done} {last.act.done} of {last.act.total} since {last.act.created_at:%H:%M:%S} UTC"
