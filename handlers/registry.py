"""Binds each kind of job to its functions. It is handed to the runner at the edge; nothing in handlers imports it."""

from __future__ import annotations

from handlers.directory import sync
from handlers.directory.lookup import fetch_record
from handlers.imports import create, details, relationships, send_welcome_email, validate
from handlers.integration import disconnect
from handlers.jobs.handler import Handler
from handlers.jobs.kinds import JobKind
from handlers.relationships import resync
from handlers.webhooks import deliver
from handlers.xero import reconnect_notice

HANDLERS: dict[str, Handler] = {
    JobKind.VALIDATE_IMPORT: Handler(fetch_record, validate.apply, validate.on_failure),
    JobKind.CREATE_CLIENT: Handler(fetch_record, create.create_client),
    JobKind.CREATE_ENTITY: Handler(fetch_record, create.create_entity),
    JobKind.IMPORT_DETAILS: Handler(fetch_record, details.apply),
    JobKind.IMPORT_RELATIONSHIPS: Handler(fetch_record, relationships.apply),
    JobKind.SEND_WELCOME_EMAIL: Handler(
        send_welcome_email.fetch, send_welcome_email.apply, send_welcome_email.on_failure
    ),
    JobKind.SEND_RECONNECT_NOTICE: Handler(reconnect_notice.fetch, reconnect_notice.apply, reconnect_notice.on_failure),
    JobKind.LEAVE_XERO: Handler(disconnect.fetch, disconnect.apply),
    JobKind.SYNC_DIRECTORY: Handler(sync.fetch, sync.apply, sync.on_failure),
    JobKind.RESYNC_RELATIONSHIPS: Handler(resync.fetch, resync.apply),
    JobKind.DELIVER_WEBHOOK: Handler(deliver.fetch, deliver.apply, deliver.on_failure),
}
