"""Checks whether the XPM records behind clients still exist. It only reports: disconnecting is a person's decision.

A directory that read a record recently replaces a call. XPM is called in the background lane, through the link's own
connection, until the quota is used up. A link that cannot be checked keeps no other one waiting for longer than a run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from handlers.directory.lookup import confirmed_at, get_from_xpm
from handlers.errors import JobError
from handlers.services import Services
from handlers.xero.connection import require_same_connection
from portal_db.clients import links
from portal_db.clients.links import LinkToCheck
from portal_db.states import Lane
from portal_db.xero import requester as xero_requester
from xpm.errors import XpmError, XpmForeign, XpmMalformed, XpmNotFound, XpmRefused, XpmTooLarge

FRESH = timedelta(hours=24)
CALL_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class LinksChecked:
    """How many links were checked, and how many were due but could not be."""

    checked: int
    left: int


def check_links(services: Services, *, limit: int, progress: Callable[[int, int], None]) -> LinksChecked:
    """Check up to `limit` links, the least recently checked first."""
    with services.database.read() as tx:
        due = links.least_recently_checked(tx, limit=limit)
    with services.database.write() as tx:  # first of all: whatever happens, none stays at the head of the queue
        links.postpone(tx, [each.link.id for each in due])
    closed: set[str] = set()
    checked = 0
    for place, each in enumerate(due):
        progress(place, len(due))
        link = each.link
        if link.tenant_id in closed:
            continue
        try:
            is_gone = _is_gone(services, each)
        except (JobError, XpmError) as error:
            if not _is_about_link(error):
                closed.add(link.tenant_id)
            with services.database.write() as tx:  # behind the links that it keeps waiting, or it would each time
                links.postpone(tx, [link.id])
        else:
            with services.database.write() as tx:
                links.note_checked(tx, link.id, is_gone=is_gone)
            checked += 1
    return LinksChecked(checked, len(due) - checked)


def _is_about_link(error: JobError | XpmError) -> bool:
    """Whether the connection's owner or the record is in the way. Otherwise it is the quota or an outage, which the tenant's
    other links would meet too."""
    match error:
        case XpmForeign() | XpmMalformed(truncated=True):
            return False
        case _:
            return isinstance(error, JobError | XpmMalformed | XpmRefused | XpmTooLarge)


def _is_gone(services: Services, due: LinkToCheck) -> bool:
    """Whether the record no longer exists in XPM.

    Raises:
        JobError: the connection's owner may no longer import, or has another connection by now.
        XpmError: XPM did not answer.
    """
    link, seen = due.link, due.record
    with services.database.read() as tx:
        owner = xero_requester.staff_requester(tx, link.practice_id, due.connection.staff_id)
    if seen is not None:
        if seen.gone_at is not None and owner.now - seen.gone_at < FRESH:
            return True
        known_at = confirmed_at(seen, due.directory)
        if known_at is not None and owner.now - known_at < FRESH:
            return bool(seen.record.get("is_deleted"))
    require_same_connection(owner, due.connection)
    try:
        record = get_from_xpm(
            services,
            owner,
            link.xpm_uuid,
            lane=Lane.RESYNC,
            holder=f"reconcile/{link.id}",
            seconds=CALL_SECONDS,
        )
    except XpmNotFound:
        return True
    return record.is_deleted
