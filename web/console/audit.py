"""The audit trail: who did what to what, when and why."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response

from handlers.access import operators
from handlers.operations import searches
from portal_db.audit import LOOKED_THROUGH, AuditFilter
from portal_db.paging import EARLIEST, LATEST
from web.console.operator import TheOperator, Words
from web.console.view import page

router = APIRouter()

EVERYBODY = "everybody"


@router.get("/audit")
def show_audit(
    operator: TheOperator,
    who: Words = "",
    action: Words = "",
    practice: UUID | None = None,
    until: Words = "",
    after: Words | None = None,
) -> Response:
    """Entries newest first: of all operators, of one, or of everybody with the system."""
    which = AuditFilter(
        actor_id=UUID(who) if _is_id(who) else None,
        operators_only=who != EVERYBODY,
        action=action.strip()[:64] or None,
        practice_id=practice,
        until=_end_of(until),
    )
    found, more = searches.audit_trail(operator.database, which, after=after)
    known = operators.listing(operator.database)
    people = [("", "Operators"), (EVERYBODY, "Everybody and the system"),
              *((str(each.operator.id), each.operator.name) for each in known)]  # fmt: skip
    shown: dict[str, Any] = {"who": who, "people": people, "action": action, "practice": practice, "until": until}
    looked = LOOKED_THROUGH if who == EVERYBODY else None
    return page(operator, "console/audit.html", **shown, found=found, more=more, looked_through=looked)


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _end_of(day: str) -> datetime | None:
    """The end of a day such as 2026-11-27, in UTC; nothing if it is none."""
    try:
        found = datetime.combine(datetime.fromisoformat(day).date(), time.max, UTC)
    except ValueError:
        return None
    return found if EARLIEST <= found <= LATEST else None
