"""A request for a link to set a forgotten password: counted, answered, and looked into only once the answer was given."""

from __future__ import annotations

import structlog
from fastapi import BackgroundTasks, Request

from handlers.access import password_reset
from handlers.access.origin import Origin
from portal_db.database import DATABASE_AWAY
from web.http.identity import address_of, origin_of
from web.portal import Portal

log = structlog.stdlib.get_logger(__name__)


def request_link(request: Request, portal: Portal, email: str, after: BackgroundTasks) -> None:
    """Have a link sent to this address if somebody signs in with it. Neither the answer nor its time depends on that.

    Raises:
        TooManyTries: there were too many requests.
    """
    email_key = password_reset.admit(portal.tries, email, address=address_of(request))
    after.add_task(_look, portal, email_key, origin_of(request))


def _look(portal: Portal, email_key: str, origin: Origin) -> None:
    try:
        password_reset.request(portal.database, portal.bell, email_key, origin)
    except DATABASE_AWAY as error:  # they got their answer, and ask again when no email comes
        log.warning("password_reset.database_away", exc_info=error)
