"""The commands of `webhooks`: addresses that are notified when an import closes."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import typer

from handlers.webhooks import endpoints
from handlers.webhooks.announce import Event
from handlers.webhooks.endpoints import Made
from portal_db.paging import Cursor
from portal_db.tables import WebhookEndpoint
from portal_db.webhooks import DeliveryWithJob
from worker.cli.database import opened
from worker.cli.exits import refusals_naming
from worker.cli.operator import After, Limit, Yes, confirm, more
from worker.cli.output import AsJson, clean, console, iso, moment, note, say, say_json, say_line, table
from worker.cli.show_jobs import short

webhooks_app = typer.Typer(no_args_is_help=True, help="Addresses that are notified when an import closes.")

Practice = Annotated[UUID, typer.Option("--practice", metavar="ID", help="The practice's id.", show_default=False)]
WebhookId = Annotated[UUID, typer.Argument(metavar="WEBHOOK", help="The id of the webhook.", show_default=False)]


@webhooks_app.command("add")
def add(
    url: Annotated[str, typer.Argument(metavar="URL", help="Begins with https://.", show_default=False)],
    practice: Practice,
    event: Annotated[
        list[Event] | None,
        typer.Option(metavar="EVENT", help=f"Only this one; may be repeated: {', '.join(Event)}. [default: all]"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Add a webhook and print the secret that signs its messages. The secret is shown only once."""
    about = {"practice_id": f"--practice {practice}", "url": clean(url)}
    with opened() as record, refusals_naming(about):
        made = endpoints.add(record.database, record.settings, practice, url, set(event or ()))
    _tell(made, as_json)


@webhooks_app.command("list")
def show(practice: Practice, as_json: AsJson = False) -> None:
    """List a practice's webhooks, newest first, and why one is disabled."""
    with opened() as record:
        rows = endpoints.listing(record.database, practice)
    if as_json:
        say_json([_result(row) for row in rows])
        return
    if not rows:
        say("There are no webhooks.")
        return
    made = table("Webhook", "Address", "Events", "State")
    made.columns[0].no_wrap = True
    for row in rows:
        events = "all" if len(row.events) == len(Event) else ", ".join(row.events)
        made.add_row(str(row.id), clean(row.url), events, _state(row))
    console().print(made)


@webhooks_app.command("rotate")
def rotate(webhook: WebhookId, practice: Practice, as_json: AsJson = False) -> None:
    """Replace a webhook's secret; the old one also signs for another day."""
    with opened() as record, refusals_naming({"webhook_id": f"WEBHOOK {webhook}"}):
        made = endpoints.rotate(record.database, record.settings, webhook, practice_id=practice)
    _tell(made, as_json)


@webhooks_app.command("remove")
def remove(webhook: WebhookId, practice: Practice, yes: Yes = False) -> None:
    """Remove a webhook; waiting deliveries are not sent."""
    with opened() as record, refusals_naming({"webhook_id": f"WEBHOOK {webhook}"}):
        confirm("Remove this webhook?", yes=yes)
        endpoints.remove(record.database, webhook, practice_id=practice)
    say("Removed.")


@webhooks_app.command("test")
def send_test(webhook: WebhookId, practice: Practice, as_json: AsJson = False) -> None:
    """Send an empty test message; if it is accepted, a disabled webhook is enabled again."""
    with opened() as record, refusals_naming({"webhook_id": f"WEBHOOK {webhook}"}):
        delivery_id = endpoints.send_test(record.database, webhook, practice_id=practice)
    if as_json:
        say_json({"delivery_id": delivery_id})
    else:
        say(f"Sent to the queue. To see the result: portal-sync webhooks deliveries {webhook} --practice {practice}")


@webhooks_app.command("deliveries")
def deliveries(
    webhook: WebhookId, practice: Practice, limit: Limit = 50, after: After = None, as_json: AsJson = False
) -> None:
    """List a webhook's deliveries, newest first, with the last answer."""
    with opened() as record, refusals_naming({"webhook_id": f"WEBHOOK {webhook}"}):
        found = endpoints.deliveries(record.database, webhook, practice_id=practice, cursor=after, limit=limit).items
    if as_json:
        say_json([_delivery(told) for told in found])
        return
    if not found:
        say("No deliveries yet.")
        return
    made = table("Event", "Since", "State", "Tries", "Answer")
    for told in found:
        row, job = told.delivery, told.job
        answer = str(row.status or "") if row.delivered_at else (job.error_message if job else "") or ""
        tries = str(job.attempts) if job else ""
        made.add_row(row.event, short(row.created_at), _job_state(told), tries, clean(answer))
    console().print(made)
    more(len(found), limit, Cursor(found[-1].delivery.created_at, found[-1].delivery.id))


def _tell(made: Made, as_json: bool) -> None:
    if as_json:
        say_json({"id": made.endpoint_id, "secret": made.secret})
        return
    say_line(made.secret)
    note(f"Its id: {made.endpoint_id}. Keep the secret safe: it is not shown again.")


def _state(row: WebhookEndpoint) -> str:
    if row.disabled_at is not None:
        return f"disabled: {row.disabled_reason}"
    return f"failing since {moment(row.failing_since)}" if row.failing_since is not None else "works"


def _job_state(told: DeliveryWithJob) -> str:
    if told.delivery.delivered_at is not None:
        return "delivered"
    return told.job.state.value if told.job is not None else "not delivered"


def _result(row: WebhookEndpoint) -> dict[str, Any]:
    return {
        "id": row.id,
        "url": row.url,
        "events": row.events,
        "created_at": iso(row.created_at),
        "failing_since": iso(row.failing_since),
        "disabled_at": iso(row.disabled_at),
        "disabled_reason": row.disabled_reason,
    }


def _delivery(told: DeliveryWithJob) -> dict[str, Any]:
    row, job = told.delivery, told.job
    return {
        "id": row.id,
        "event_id": row.event_id,
        "event": row.event,
        "state": _job_state(told),
        "attempts": job.attempts if job else None,
        "status": row.status,
        "message": job.error_message if job else None,
        "created_at": iso(row.created_at),
        "delivered_at": iso(row.delivered_at),
        "job_id": row.job_id,
        "cursor": str(Cursor(row.created_at, row.id)),
    }
