"""Checks whether the XPM records behind clients still exist. It only reports: disconnecting is a person's decision.

A directory that read a record recently replaces a call. XPM is called in the background lane, through the connection of the
staff member who imported the client, until the quota is used up. A link that cannot be checked keeps no other one waiting
for longer than a run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from handlers import refusals
from handlers.directory.lookup import confirmed_at, get_from_xpm
from handlers.errors import JobError
from handlers.services import Services
from handlers.xero.connection import require_connection
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
        links.postpone(tx, [link.link_id for link in due])
    closed: set[str] = set()
    checked = 0
    for place, link in enumerate(due):
        progress(place, len(due))
        if link.tenant_id in closed:
            continue
        try:
            is_gone = _is_gone(services, link)
        except (JobError, XpmError) as error:
            if not _is_about_link(error):
                closed.add(link.tenant_id)
            with services.database.write() as tx:  # behind the links that it keeps waiting, or it would each time
                links.postpone(tx, [link.link_id])
        else:
            with services.database.write() as tx:
                links.note_checked(tx, link.link_id, is_gone=is_gone)
            checked += 1
    return LinksChecked(checked, len(due) - checked)


def _is_about_link(error: JobError | XpmError) -> bool:
    """Whether the requester or the record is in the way. Otherwise it is the quota or an outage, which the tenant's other
    links would meet too."""
    match error:
        case XpmForeign() | XpmMalformed(truncated=True):
            return False
        case _:
            return isinstance(error, JobError | XpmMalformed | XpmRefused | XpmTooLarge)


def _is_gone(services: Services, link: LinkToCheck) -> bool:
    """Whether the record no longer exists in XPM.

    Raises:
        JobError: the staff member who imported the client may no longer import, or not through their connection.
        XpmError: XPM did not answer.
    """
    with services.database.read() as tx:
        requester = xero_requester.requester(tx, link.import_id)
    seen, directory = requester.record, requester.directory
    if seen is not None and seen.xpm_uuid == link.xpm_uuid:
        if seen.gone_at is not None and requester.now - seen.gone_at < FRESH:
            return True
        known_at = confirmed_at(seen, directory)
        if known_at is not None and requester.now - known_at < FRESH:
            return bool(seen.record.get("is_deleted"))
    if require_connection(requester).tenant_id != link.tenant_id:
        raise refusals.OTHER_TENANT()
    try:
        record = get_from_xpm(
            services,
            requester,
            link.xpm_uuid,
            lane=Lane.RESYNC,
            holder=f"reconcile/{link.link_id}",
            seconds=CALL_SECONDS,
        )
    except XpmNotFound:
        return True
    return record.is_deleted
