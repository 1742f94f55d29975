"""Binds each kind of job to its functions. It is handed to the runner at the edge; nothing in handlers imports it."""

from __future__ import annotations

from handlers.access import password_reset, security_notice
from handlers.clients import co_owners, task_email
from handlers.directory import sync
from handlers.directory.lookup import fetch_records
from handlers.imports import create, details, relationships, send_welcome_email, validate
from handlers.integration import disconnect
from handlers.jobs.handler import Handler, one_by_one
from handlers.jobs.kinds import JobKind
from handlers.relationships import resync
from handlers.webhooks import deliver
from handlers.xero import reconnect_notice

HANDLERS: dict[str, Handler] = {
    JobKind.VALIDATE_IMPORT: Handler(fetch_records, validate.apply, validate.on_failure),
    JobKind.CREATE_CLIENT: Handler(fetch_records, create.create_clients),
    JobKind.CREATE_ENTITY: Handler(fetch_records, create.create_entities),
    JobKind.IMPORT_DETAILS: Handler(fetch_records, details.apply),
    JobKind.IMPORT_RELATIONSHIPS: Handler(fetch_records, relationships.apply),
    JobKind.SEND_WELCOME_EMAIL: Handler(
        send_welcome_email.fetch, send_welcome_email.apply, send_welcome_email.on_failure, send_welcome_email.SENDING
    ),
    JobKind.INVITE_CO_OWNER: one_by_one(co_owners.fetch, co_owners.apply, co_owners.on_failure),
    JobKind.SEND_TASK_EMAIL: Handler(task_email.fetch, task_email.apply, task_email.on_failure, task_email.SENDING),
    JobKind.SEND_RECONNECT_NOTICE: one_by_one(
        reconnect_notice.fetch, reconnect_notice.apply, reconnect_notice.on_failure
    ),
    JobKind.SEND_PASSWORD_RESET: one_by_one(password_reset.fetch, password_reset.apply),
    JobKind.SEND_SECURITY_NOTICE: one_by_one(security_notice.fetch, security_notice.apply),
    JobKind.LEAVE_XERO: one_by_one(disconnect.fetch, disconnect.apply),
    JobKind.SYNC_DIRECTORY: one_by_one(sync.fetch, sync.apply, sync.on_failure),
    JobKind.RESYNC_RELATIONSHIPS: one_by_one(resync.fetch, resync.apply),
    JobKind.DELIVER_WEBHOOK: one_by_one(deliver.fetch, deliver.apply, deliver.on_failure),
}
