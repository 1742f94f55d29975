"""Admin settings > Audit, for owners and account admins: who did what, when and from where; filtered, and as a file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Annotated, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, Field

from handlers.access import audit_trail, staff
from handlers.fields import Text
from handlers.imports import batch_csv
from portal_db.access.practice_audit import ActFilter, PersonsAct
from portal_db.paging import EARLIEST, LATEST
from portal_db.states import ActorKind
from web.http.bodies import CSV
from web.pages.frame.step_up import asked_first
from web.pages.frame.view import page
from web.pages.frame.visitor import TheManager, Visitor
from web.usage import Use

router = APIRouter()

PATH = "/admin/audit"
PAGE_SIZE, MOST_EXPORTED = 50, 10_000
#: What an act can be about, by the first part of its action.
AREAS = {
    "client": "Clients",
    "import": "Imports",
    "email": "Emails to clients",
    "task": "Tasks",
    "staff": "Staff",
    "second_factor": "MFA",
    "connection": "XPM connections",
    "structure": "Structures",
    "practice": "Firm settings",
    "api_key": "API keys",
    "webhook": "Webhooks",
}
#: Acts whose names do not say it.
ACTS = {
    "api_key.add": "Made an API key",
    "api_key.revoke": "Revoked an API key",
    "api_key.rotate": "Replaced an API key",
    "client.assign": "Assigned a client",
    "client.archive": "Archived a client",
    "client.edit": "Edited a client",
    "client.invite_co_owner": "Invited a co-owner",
    "client.let_xpm_decide": "Let XPM overwrite a client's field",
    "client.restore": "Restored a client",
    "client.connected": "Connected a client to XPM",
    "client.disconnected": "Disconnected a client from XPM",
    "client.unassign": "Took a client away from a colleague",
    "connection.reassign": "Handed over the clients on a connection",
    "connection.state": "Changed an XPM connection",
    "practice.look": "Changed the look of client pages",
    "practice.set": "Changed firm settings",
    "second_factor.reset": "Reset a colleague's MFA",
    "staff.add": "Added a colleague",
    "staff.hand_over": "Handed over a colleague's clients",
    "staff.invite": "Sent another invitation",
    "staff.leave": "Deactivated a colleague",
    "staff.role": "Changed a colleague's role",
    "webhook.add": "Added a webhook",
    "webhook.disable": "Disabled a webhook",
    "webhook.remove": "Removed a webhook",
    "webhook.rotate": "Replaced a webhook's secret",
    "webhook.test": "Tested a webhook",
}
_ID = re.compile(r"(?:staff )?([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})")


class AuditQuery(BaseModel):
    """The filters as the form sends them; an empty value means all."""

    who: UUID | Literal[""] = ""
    area: Literal["", *AREAS] = ""  # type: ignore[valid-type]  # the names of the table
    since: date | Literal[""] = ""
    until: date | Literal[""] = ""
    after: Annotated[Text, Field(max_length=40)] = ""

    def address(self, path: str, **more: str) -> str:
        given = {name: str(value) for name, value in self if value and name != "after"} | more
        return f"{path}?{urlencode(given)}" if given else path

    def wanted(self, visitor: Visitor) -> ActFilter:
        """Days are the practice's."""

        def starts(day: date) -> datetime:
            return min(max(datetime.combine(day, time.min, visitor.time_zone), EARLIEST), LATEST)

        return ActFilter(
            staff_id=self.who or None,
            area=self.area or None,
            since=starts(self.since) if self.since else None,
            until=starts(min(self.until, LATEST.date()) + timedelta(days=1)) if self.until else None,
        )


@dataclass(frozen=True)
class Line:
    """An act in words. `path` leads to what it is about."""

    at: datetime
    who: str
    via_key: str | None
    what: str
    about: str
    path: str | None
    change: str
    address: str


@router.get(PATH)
def show(visitor: TheManager, query: Annotated[AuditQuery, Query()]) -> Response:
    """A page of what people did, newest first."""
    found, more = audit_trail.listing(
        visitor.database, visitor.caller, query.wanted(visitor), after=query.after or None, limit=PAGE_SIZE
    )
    names = staff.names(visitor.database, visitor.caller)
    return page(
        visitor,
        "settings/audit.html",
        query=query,
        lines=_lines(found, names),
        older=query.address(PATH, after=more) if more else None,
        export=query.address(f"{PATH}.csv"),
        people=[("", "Everybody"), *((str(staff_id), name) for staff_id, name in names.items())],
        areas=[("", "Everything"), *AREAS.items()],
    )


@router.get(f"{PATH}.csv")
def export(visitor: TheManager, query: Annotated[AuditQuery, Query()]) -> Response:
    """The filtered acts as a file, for somebody who confirmed that it is them."""
    if (asked := asked_first(visitor, query.address(PATH))) is not None:
        return asked
    visitor.portal.uses.take(Use.EXPORT, visitor.caller)
    found, _ = audit_trail.listing(
        visitor.database, visitor.caller, query.wanted(visitor), after=None, limit=MOST_EXPORTED
    )
    rows = _table(_lines(found, staff.names(visitor.database, visitor.caller)))
    headers = {"Content-Disposition": 'attachment; filename="audit.csv"'}
    return StreamingResponse(batch_csv.write_table(rows), media_type=CSV, headers=headers)


def _table(lines: Iterable[Line]) -> Iterable[list[str]]:
    yield ["When", "Who", "API key", "What", "About", "Change", "From"]
    for each in lines:
        at = each.at.isoformat(timespec="seconds")
        yield [at, each.who, each.via_key or "", each.what, each.about, each.change, each.address]


def _lines(found: Sequence[PersonsAct], names: Mapping[UUID, str]) -> list[Line]:
    return [_line(each, names) for each in found]


def _line(act: PersonsAct, names: Mapping[UUID, str]) -> Line:
    entry = act.entry
    is_staff = entry.actor is ActorKind.STAFF and entry.actor_id is not None
    about, path = act.client_name or act.subject_name or "", None
    match entry.subject:
        case "client":
            path = f"/clients/{entry.subject_id}" if act.client_name else None
        case "import":
            about, path = "View import", f"/imports/{entry.subject_id}"
        case "staff":
            about, path = names.get(entry.subject_id, ""), f"/admin/staff/{entry.subject_id}"
        case "webhook":
            path = f"/admin/webhooks/{entry.subject_id}" if about else None
    values = [
        _ID.sub(lambda found: names.get(UUID(found[1]), ""), each) for each in (entry.before, entry.after) if each
    ]
    return Line(
        at=entry.at,
        who=names.get(entry.actor_id, "A former colleague") if is_staff and entry.actor_id else "Support",
        via_key=act.key_name,
        what=ACTS.get(entry.action) or entry.action.replace(".", " ").replace("_", " ").capitalize(),
        about=about,
        path=path,
        change=" → ".join(values).replace("_", " "),
        address=entry.address or "",
    )
