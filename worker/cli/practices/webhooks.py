"""The commands of `webhooks`: addresses that are notified when an import closes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.table import Table

from handlers.webhooks import endpoints
from handlers.webhooks.announce import Event
from portal_db.paging import Cursor
from portal_db.tables import WebhookEndpoint
from portal_db.webhooks import DeliveryWithJob
from worker.cli.database import open_record
from worker.cli.exits import explain_refusals
from worker.cli.operator import After, Limit, Practice, Yes, confirm
from worker.cli.output import (
    AsJson,
    clean,
    fields,
    print_secret,
    say,
    say_list,
    say_result,
    short_utc,
    table,
    utc,
)

webhooks_app = typer.Typer(no_args_is_help=True, help="Addresses that are notified when an import closes.")

WebhookId = Annotated[UUID, typer.Argument(metavar="WEBHOOK", help="The webhook's id.", show_default=False)]


@webhooks_app.command("add")
def add(
    url: Annotated[str, typer.Argument(metavar="URL", help="Begins with https://.", show_default=False)],
    practice: Practice,
    event: Annotated[
        list[Event] | None,
        typer.Option(metavar="EVENT", help=f"Only this one; can be repeated: {', '.join(Event)}. [default: all]"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Add a webhook and print the secret that signs its messages. The secret is shown only once."""
    labels = {"practice_id": f"--practice {practice}", "url": clean(url)}
    with open_record() as record, explain_refusals(labels):
        made = endpoints.add(record.database, record.settings, practice, url, set(event or ()))
    print_secret(made.secret, made.endpoint_id, as_json)


@webhooks_app.command("list")
def show(practice: Practice, as_json: AsJson = False) -> None:
    """List a practice's webhooks, newest first, and why one is disabled."""
    with open_record() as record:
        rows = endpoints.listing(record.database, practice)
    say_list(rows, as_json, _result, _table, empty="There are no webhooks.")


def _table(rows: Sequence[WebhookEndpoint]) -> Table:
    made = table("Webhook", "Address", "Events", "State", no_wrap=[0])
    for row in rows:
        events = "all" if len(row.events) == len(Event) else ", ".join(row.events)
        made.add_row(str(row.id), clean(row.url), events, _state(row))
    return made


@webhooks_app.command("rotate")
def rotate(webhook: WebhookId, practice: Practice, as_json: AsJson = False) -> None:
    """Replace a webhook's secret; the old one also signs for another day."""
    with open_record() as record, explain_refusals({"webhook_id": f"WEBHOOK {webhook}"}):
        made = endpoints.rotate(record.database, record.settings, webhook, practice_id=practice)
    print_secret(made.secret, made.endpoint_id, as_json)


@webhooks_app.command("remove")
def remove(webhook: WebhookId, practice: Practice, yes: Yes = False) -> None:
    """Remove a webhook; waiting deliveries are not sent."""
    with open_record() as record, explain_refusals({"webhook_id": f"WEBHOOK {webhook}"}):
        confirm("Remove this webhook?", yes=yes)
        endpoints.remove(record.database, webhook, practice_id=practice)
    say("Removed.")


@webhooks_app.command("test")
def send_test(webhook: WebhookId, practice: Practice, as_json: AsJson = False) -> None:
    """Send an empty test message; if it is accepted, a disabled webhook is enabled again."""
    with open_record() as record, explain_refusals({"webhook_id": f"WEBHOOK {webhook}"}):
        delivery_id = endpoints.send_test(record.database, webhook, practice_id=practice)
    text = f"Sent to the queue. To see the result: portal-sync webhooks deliveries {webhook} --practice {practice}"
    say_result(as_json, {"delivery_id": delivery_id}, text)


@webhooks_app.command("deliveries")
def deliveries(
    webhook: WebhookId, practice: Practice, limit: Limit = 50, after: After = None, as_json: AsJson = False
) -> None:
    """List a webhook's deliveries, newest first, with the last answer."""
    with open_record() as record, explain_refusals({"webhook_id": f"WEBHOOK {webhook}"}):
        found = endpoints.deliveries(record.database, webhook, practice_id=practice, cursor=after, limit=limit).items
    say_list(found, as_json, _delivery_json, _deliveries_table, empty="No deliveries yet.", limit=limit, cursor=_cursor)


def _deliveries_table(found: Sequence[DeliveryWithJob]) -> Table:
    made = table("Event", "Since", "State", "Attempts", "Answer", right=[3])
    for one in found:
        row, job = one.delivery, one.job
        answer = str(row.status or "") if row.delivered_at else (job.error_message if job else "") or ""
        attempts = str(job.attempts) if job else ""
        made.add_row(row.event, short_utc(row.created_at), _delivery_state(one), attempts, clean(answer))
    return made


def _cursor(one: DeliveryWithJob) -> Cursor:
    return Cursor(one.delivery.created_at, one.delivery.id)


def _state(row: WebhookEndpoint) -> str:
    if row.disabled_at is not None:
        return f"disabled: {row.disabled_reason}"
    if row.failing_since is not None:
        return f"failing since {utc(row.failing_since)}"
    return f"slow since {utc(row.slow_since)}" if row.slow_since is not None else "works"


def _delivery_state(one: DeliveryWithJob) -> str:
    if one.delivery.delivered_at is not None:
        return "delivered"
    return one.job.state.value if one.job is not None else "not delivered"


def _result(row: WebhookEndpoint) -> dict[str, Any]:
    return fields(row, "id url events created_at failing_since slow_since resting_until disabled_at disabled_reason")


def _delivery_json(one: DeliveryWithJob) -> dict[str, Any]:
    return {
        **fields(one.delivery, "id event_id event status created_at delivered_at job_id"),
        "state": _delivery_state(one),
        "attempts": one.job.attempts if one.job else None,
        "message": one.job.error_message if one.job else None,
    }
