"""Looks whether the XPM records behind clients are still there. It only reports: unlinking is a person's decision.

A directory's fresh sight of a record is as good as a call. XPM is asked in the background lane, through the connection of
whoever imported the client, until the quota says "not now".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from handlers import refusals
from handlers.directory.lookup import vouched_at
from handlers.errors import JobError
from handlers.services import Services
from handlers.xero.connection import require_connection
from handlers.xero.tokens import call_xpm
from portal_db.clients import links
from portal_db.clients.links import LinkToCheck
from portal_db.states import Lane
from portal_db.xero import requester as xero_requester
from portal_db.xero.requester import Requester
from xpm.client import Access, Fetched
from xpm.errors import XpmError, XpmNotFound
from xpm.records import XpmClient

FRESH = timedelta(hours=24)
CALL_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Looked:
    """How many links were looked for, and how many had to be left for the next run."""

    checked: int
    left: int


def look(services: Services, *, limit: int, progress: Callable[[int, int], None]) -> Looked:
    """Look for the records of so many links, those first whose turn is the longest ago."""
    with services.database.read() as tx:
        wanted = links.least_recently_checked(tx, limit=limit)
    closed: set[str] = set()
    checked = 0
    for place, link in enumerate(wanted):
        progress(place, len(wanted))
        if link.tenant_id in closed:
            continue
        try:
            is_gone = _is_gone(services, link)
        except JobError:  # whoever imported the client may not ask any more: no reason to keep the others waiting
            with services.database.write() as tx:
                links.postpone(tx, link.link_id)
        except XpmError:  # the quota, or an outage: not now
            closed.add(link.tenant_id)
        else:
            with services.database.write() as tx:
                links.note_checked(tx, link.link_id, is_gone=is_gone)
            checked += 1
    return Looked(checked, len(wanted) - checked)


def _is_gone(services: Services, link: LinkToCheck) -> bool:
    """Whether XPM has the record no more.

    Raises:
        JobError: it cannot be asked through the connection of whoever imported the client.
        XpmError: it did not answer.
    """
    with services.database.read() as tx:
        requester = xero_requester.requester(tx, link.import_id)
    seen, directory = requester.record, requester.directory
    if seen is not None and seen.xpm_uuid == link.xpm_uuid:
        if seen.gone_at is not None and requester.now - seen.gone_at < FRESH:
            return True
        known_at = vouched_at(seen, directory)
        if known_at is not None and requester.now - known_at < FRESH:
            return bool(seen.record.get("is_deleted"))
    if require_connection(requester).tenant_id != link.tenant_id:
        raise refusals.OTHER_TENANT()
    try:
        return _ask(services, requester, link)
    except XpmNotFound:
        return True


def _ask(services: Services, requester: Requester, link: LinkToCheck) -> bool:
    def get(access: Access, seconds: float) -> Fetched[XpmClient]:
        holder = f"reconcile/{link.link_id}"
        return services.xpm.get(access, link.xpm_uuid, lane=Lane.RESYNC, holder=holder, deadline_seconds=seconds)

    return call_xpm(services, requester, get, seconds=CALL_SECONDS).value.is_deleted
