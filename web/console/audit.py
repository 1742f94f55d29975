"""The audit trail: who did what to what, when and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, time
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.responses import Response, StreamingResponse

from handlers.imports import batch_csv
from handlers.operations import searches
from portal_db.audit import LOOKED_THROUGH, AuditFilter
from portal_db.paging import EARLIEST, LATEST
from portal_db.tables import AuditEntry
from web.console.operator import TheOperator, Words
from web.console.view import page
from web.http.bodies import CSV
from web.pages.frame.forms import uuid_of

router = APIRouter()

EVERYBODY = "everybody"
#: The most entries of a file.
IN_FILE = 10_000


@dataclass(frozen=True)
class AuditQuery:
    """What the address of the page says: whose entries, of which act, of which practice, until the end of which day."""

    who: str
    action: str
    practice: UUID | None
    until: str

    @property
    def wanted(self) -> AuditFilter:
        return AuditFilter(
            actor_id=uuid_of(self.who),
            operators_only=self.who != EVERYBODY,
            action=self.action.strip()[:64] or None,
            practice_id=self.practice,
            until=_end_of(self.until),
        )


async def _query(who: Words = "", action: Words = "", practice: UUID | None = None, until: Words = "") -> AuditQuery:
    return AuditQuery(who, action, practice, until)


TheQuery = Annotated[AuditQuery, Depends(_query)]


@router.get("/audit")
def show_audit(operator: TheOperator, query: TheQuery, after: Words | None = None) -> Response:
    """Entries newest first: of all operators, of one, or of everybody with the system."""
    found = searches.audit_trail(operator.database, query.wanted, after=after)
    people = [("", "Operators"), (EVERYBODY, "Everybody and the system"),
              *((str(operator_id), name) for operator_id, name in found.operators)]  # fmt: skip
    looked = LOOKED_THROUGH if query.who == EVERYBODY else None
    shown: dict[str, Any] = {"query": asdict(query), "people": people, "found": found.entries, "more": found.next}
    return page(operator, "console/audit.html", **shown, looked_through=looked)


@router.get("/audit.csv")
def download(operator: TheOperator, query: TheQuery) -> Response:
    """The same entries as a file, up to the latest `IN_FILE`."""
    found = searches.audit_file(operator.database, query.wanted, limit=IN_FILE)
    headers = {"Content-Disposition": 'attachment; filename="audit.csv"'}
    return StreamingResponse(batch_csv.write_table(_table(found)), media_type=CSV, headers=headers)


def _table(found: Iterable[tuple[AuditEntry, str | None]]) -> Iterator[list[Any]]:
    yield ["At", "Actor", "Who", "Act", "Subject", "Id", "Practice", "Before", "After", "Why"]
    for entry, name in found:
        who = name or entry.actor_id
        what = [entry.action, entry.subject, entry.subject_id, entry.practice_id]
        yield [entry.at.isoformat(), entry.actor, who, *what, entry.before, entry.after, entry.why]


def _end_of(day: str) -> datetime | None:
    """The end of a day such as 2026-11-27, in UTC; nothing if it is none."""
    try:
        found = datetime.combine(datetime.fromisoformat(day).date(), time.max, UTC)
    except ValueError:
        return None
    return found if EARLIEST <= found <= LATEST else None
