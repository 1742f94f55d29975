"""Admin settings > Webhooks, for owners and account admins: addresses that are notified of closed imports."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response

from handlers import refusals
from handlers.errors import RequestRefused
from handlers.fields import Text
from handlers.webhooks import endpoints
from handlers.webhooks.announce import Event
from handlers.webhooks.endpoints import Made
from handlers.webhooks.post import SLOW_SECONDS
from web.pages.frame.forms import NO_ERRORS, ConfirmedByManager, FormErrors
from web.pages.frame.view import page, redirect
from web.pages.frame.visitor import ConfirmedManager, TheManager, Visitor

router = APIRouter()

PATH = "/admin/webhooks"
PAGE_SIZE = 50


@router.get(PATH)
def show_webhooks(visitor: TheManager) -> Response:
    found = endpoints.listing(visitor.database, visitor.caller.practice_id)
    return page(visitor, "settings/webhooks.html", webhooks=found, most=endpoints.MOST)


@router.get(f"{PATH}/new")
def show_new(visitor: ConfirmedManager) -> Response:
    return _form(visitor, "", ())


@router.post(f"{PATH}/new")
def add(posted: ConfirmedByManager) -> Response:
    """Add an address, and show its secret once."""
    visitor, url = posted.visitor, posted.text("url")
    events = {event for event in Event if posted.is_ticked(event.value)}
    try:
        made = endpoints.add(
            visitor.database,
            visitor.portal.settings,
            visitor.caller.practice_id,
            url,
            events,
            by=visitor.caller.staff_id,
        )
    except RequestRefused as refused:
        return _form(visitor, url, events, FormErrors.of(refused, ("url",)))
    return _shown_once(visitor, made)


@router.get(f"{PATH}/{{webhook_id}}")
def show_webhook(
    visitor: TheManager, webhook_id: UUID, cursor: Annotated[Text, Query(max_length=200)] = ""
) -> Response:
    """One address with its deliveries, newest first."""
    return _webhook(visitor, webhook_id, cursor)


def _webhook(visitor: Visitor, webhook_id: UUID, cursor: str = "", errors: FormErrors = NO_ERRORS) -> Response:
    practice_id = visitor.caller.practice_id
    webhook = endpoints.get(visitor.database, webhook_id, practice_id=practice_id)
    found = endpoints.deliveries(
        visitor.database, webhook_id, practice_id=practice_id, cursor=cursor or None, limit=PAGE_SIZE
    )
    return page(
        visitor,
        "settings/webhook.html",
        errors,
        webhook=webhook,
        slow_seconds=f"{SLOW_SECONDS:.0f}",
        is_testing=endpoints.is_testing(visitor.database, webhook),
        deliveries=found.items,
        older=f"{PATH}/{webhook_id}?{urlencode({'cursor': found.next})}" if found.next else None,
    )


@router.post(f"{PATH}/{{webhook_id}}/test")
def test(posted: ConfirmedByManager, webhook_id: UUID) -> Response:
    """Send a test; once it is accepted, a disabled webhook is enabled."""
    visitor, caller = posted.visitor, posted.visitor.caller
    try:
        endpoints.send_test(visitor.database, webhook_id, practice_id=caller.practice_id, by=caller.staff_id)
    except RequestRefused as refused:
        if refused.code != refusals.WEBHOOK_TEST_OPEN.code:
            raise
        return _webhook(visitor, webhook_id, errors=FormErrors.of(refused))
    return redirect(f"{PATH}/{webhook_id}", message="webhook-tested")


@router.post(f"{PATH}/{{webhook_id}}/disabling")
def disable(posted: ConfirmedByManager, webhook_id: UUID) -> Response:
    caller = posted.visitor.caller
    endpoints.disable(posted.visitor.database, webhook_id, practice_id=caller.practice_id, by=caller.staff_id)
    return redirect(f"{PATH}/{webhook_id}", message="webhook-disabled")


@router.post(f"{PATH}/{{webhook_id}}/rotation")
def rotate(posted: ConfirmedByManager, webhook_id: UUID) -> Response:
    """Give a webhook another secret, and show it once."""
    visitor, caller = posted.visitor, posted.visitor.caller
    made = endpoints.rotate(
        visitor.database, visitor.portal.settings, webhook_id, practice_id=caller.practice_id, by=caller.staff_id
    )
    return _shown_once(visitor, made)


@router.post(f"{PATH}/{{webhook_id}}/removal")
def remove(posted: ConfirmedByManager, webhook_id: UUID) -> Response:
    caller = posted.visitor.caller
    endpoints.remove(posted.visitor.database, webhook_id, practice_id=caller.practice_id, by=caller.staff_id)
    return redirect(PATH, message="webhook-removed")


def _form(visitor: Visitor, url: str, ticked: Collection[Event], errors: FormErrors = NO_ERRORS) -> Response:
    shown = {"url": url, "ticked": ticked, "events": list(Event), "longest": endpoints.LONGEST_URL}
    return page(visitor, "settings/webhook_new.html", errors, **shown)


def _shown_once(visitor: Visitor, made: Made) -> Response:
    words: dict[str, Any] = {
        "what": "webhook's secret",
        "use": "Receivers check the signature of each message with it.",
    }
    return page(visitor, "settings/secret.html", secret=made.secret, back=f"{PATH}/{made.endpoint_id}", **words)
