"""deliver_webhook: posts one event to one endpoint, signed according to Standard Webhooks.

Delivered at least once: the receiver recognises a duplicate by its `webhook-id`, which is the event's. After a failure or a
slow answer the endpoint is rested, so that a receiver that is down or slow costs a call now and then, not one an event.
An endpoint is sent one event at a time, so that it occupies one thread.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import httpx

from config import metrics
from handlers import refusals
from handlers.errors import Deferred, JobError, Permanent, Transient
from handlers.jobs.enqueue import FollowUp
from handlers.jobs.handler import job_arg
from handlers.jobs.kinds import KINDS, JobKind
from handlers.services import Services
from handlers.webhooks.announce import TEST
from handlers.webhooks.post import SECONDS, NotPublic, PostResult, Reach, post
from handlers.webhooks.signature import signature_headers
from portal_db import audit, webhooks
from portal_db.database import Tx
from portal_db.states import ErrorClass
from portal_db.tables import Job, WebhookEndpoint
from portal_db.webhook_turns import BUSY_CODE, DISABLED_CODE, Turns
from portal_db.webhooks import AddressedDelivery
from portal_db.work.jobs import Failure

#: Seconds before each further attempt; the last comes about three days after the first.
WAITS = (5, 300, 1800, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600)
#: How long an endpoint is rested after its first failure or slow answer; doubled with each further one, up to the longest.
REST_SECONDS, LONGEST_REST_SECONDS = 30.0, 3600.0
#: An endpoint that has accepted nothing for this many days is disabled; a delivery waits as long for one that is.
PATIENCE_DAYS = 3
#: Turns end with the delivery, or a quarter of a minute after its deadline. Half of the threads of a worker for webhooks
#: (docs/deploy.md) stay free for other practices.
TURNS = Turns(lasts_seconds=KINDS[JobKind.DELIVER_WEBHOOK].deadline_seconds + 15.0, most=2)
_AT_ONCE = ("webhook_gone", "webhook_private")


def fetch(services: Services, job: Job) -> PostResult:
    """Send it.

    Raises:
        Rejected: the endpoint is removed, gone, or at no public address; or it did not accept a test, which is not retried.
        Deferred: the endpoint is disabled or rests, or it is not this delivery's turn.
        Transient: it did not accept the event.
        Permanent: the endpoint is disabled, and the event is days old.
    """
    delivery_id = job_arg(job, "delivery_id")
    with services.database.write() as tx:
        wait = TURNS.take(tx, job.practice_id, delivery_id, job.id)
        found = _require_deliverable(webhooks.addressed(tx, delivery_id))
        if wait is not None:
            raise Deferred(BUSY_CODE, "Waiting for the answer to another message", wait_seconds=wait)
    delivery = found.delivery
    body = json.dumps(delivery.payload, separators=(",", ":"), sort_keys=True)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "portal-sync",
        "webhook-id": str(delivery.event_id),
        **signature_headers(services, found, body),
    }
    reach = Reach(loopback=services.settings.is_local, private=services.settings.webhook_private_addresses)
    answer = _post(services, found, headers, body, reach, job)
    if 200 <= answer.status < 300:
        metrics.WEBHOOK_DELIVERIES.labels("delivered").inc()
        return answer
    with services.database.write() as tx:
        webhooks.note_status(tx, delivery.id, answer.status)
    if answer.status == 410:
        metrics.WEBHOOK_DELIVERIES.labels("gone").inc()
        raise refusals.WEBHOOK_GONE()
    raise _failed("webhook_refused", f"The endpoint answered {answer.status} instead of 2xx.", found, job, answer)


def apply(tx: Tx, job: Job, row: None, answer: PostResult) -> Sequence[FollowUp]:
    """Record the delivery; rest an endpoint that answered slowly. A successful test enables a disabled endpoint again."""
    found = webhooks.addressed(tx, job_arg(job, "delivery_id"))
    if found is not None:
        webhooks.note_status(tx, found.delivery.id, answer.status, delivered=True)
        is_test = found.delivery.event == TEST
        if answer.is_slow:
            webhooks.note_slow_success(tx, found.endpoint, rest_seconds=_rest_seconds(found.endpoint), enable=is_test)
        else:
            webhooks.note_success(tx, found.endpoint.id, enable=is_test)
    TURNS.end(tx, job.practice_id, job.id)
    return []


def on_failure(tx: Tx, job: Job, failure: Failure) -> None:
    """End its turn, and rest the endpoint; disable one that has accepted nothing for days, or answers that it is gone."""
    TURNS.end(tx, job.practice_id, job.id)
    found = webhooks.addressed(tx, job_arg(job, "delivery_id"))
    if found is None:
        return
    endpoint = found.endpoint
    if failure.code in _AT_ONCE:
        _disable(tx, endpoint, failure.message, None)
    elif failure.error_class is ErrorClass.TRANSIENT or failure.code == refusals.WEBHOOK_TEST_FAILED.code:
        webhooks.note_failure(tx, endpoint, rest_seconds=_rest_seconds(endpoint))
        reason = f"It has accepted nothing for {PATIENCE_DAYS} days. The last attempt: {failure.message}"
        _disable(tx, endpoint, reason, PATIENCE_DAYS * 86_400)


def _rest_seconds(endpoint: WebhookEndpoint) -> float:
    doubled: float = REST_SECONDS * 2 ** min(endpoint.failures, 16)
    return min(doubled, LONGEST_REST_SECONDS)


def _require_deliverable(found: AddressedDelivery | None) -> AddressedDelivery:
    if found is None or found.endpoint.removed_at is not None:
        raise refusals.WEBHOOK_REMOVED()
    if found.delivery.event == TEST:
        return found
    if found.endpoint.disabled_at is not None:
        left = PATIENCE_DAYS * 86_400 - (found.now - found.delivery.created_at).total_seconds()
        if left > 0:
            raise Deferred(DISABLED_CODE, "Waiting for the webhook to be enabled again", wait_seconds=left)
        words = f"The webhook was disabled, and still is {PATIENCE_DAYS} days after the event."
        raise Permanent(DISABLED_CODE, words, "Once a test has enabled the webhook, the delivery can be requeued.")
    rests = found.endpoint.resting_until
    wait = (rests - found.now).total_seconds() if rests is not None else 0.0
    if 0 < wait <= LONGEST_REST_SECONDS:  # longer only if the database's clock went back
        is_slow = found.endpoint.failing_since is None
        words = (
            "The endpoint answered an earlier message slowly" if is_slow else "The endpoint rejected an earlier message"
        )
        raise Deferred("webhook_resting", words, wait_seconds=wait)
    return found


def _post(
    services: Services, found: AddressedDelivery, headers: dict[str, str], body: str, reach: Reach, job: Job
) -> PostResult:
    try:
        return post(found.endpoint.url, headers, body.encode(), reach, monotonic=services.sources.monotonic)
    except NotPublic:
        metrics.WEBHOOK_DELIVERIES.labels("not_public").inc()
        raise refusals.WEBHOOK_HOST_PRIVATE() from None
    except httpx.TimeoutException:
        words = f"The endpoint did not answer within {SECONDS:.0f} seconds."
        raise _failed("webhook_timeout", words, found, job) from None
    except httpx.TransportError:  # its text may quote what was sent
        words = "The endpoint could not be reached, or its certificate is not valid."
        raise _failed("webhook_unreachable", words, found, job) from None


def _failed(code: str, message: str, found: AddressedDelivery, job: Job, answer: PostResult | None = None) -> JobError:
    metrics.WEBHOOK_DELIVERIES.labels(code.removeprefix("webhook_")).inc()
    if found.delivery.event == TEST:
        return refusals.WEBHOOK_TEST_FAILED(reason=message)
    asked = min(answer.wait_seconds or 0.0, 86_400.0) if answer is not None else 0.0
    wait = max(float(WAITS[min(job.attempts, len(WAITS) - 1)]), asked)
    return Transient(code, message, "Fix the endpoint. Delivery is retried automatically.", wait_seconds=wait)


def _disable(tx: Tx, endpoint: WebhookEndpoint, reason: str, failing_for: float | None) -> None:
    if webhooks.disable(tx, endpoint.id, reason, failing_for_seconds=failing_for):
        audit.record(
            tx,
            action="webhook.disable",
            subject="webhook",
            subject_id=endpoint.id,
            practice_id=endpoint.practice_id,
            why=reason,
        )
