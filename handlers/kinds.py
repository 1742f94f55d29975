"""The one table of job kinds: lane, hard deadline, attempts, back-off cap, and the functions that do the work."""

from __future__ import annotations

from handlers import (
    create_client,
    create_entity,
    deliver_webhook,
    import_details,
    import_relationships,
    leave_xero,
    reconnect_notice,
    resync_relationships,
    send_welcome_email,
    sync_directory,
    validate_import,
    webhook_events,
)
from handlers.directory import fetch_record
from handlers.flow import Kind, Part
from portal_db.states import Lane

# fmt: off
KINDS: dict[str, Kind] = {kind.name: kind for kind in (
    #    name                    part         lane        deadline s  tries  cap s   fetch, apply, on_failure
    Kind("validate_import",      Part.SPINE,  None,       60,         8,     600.0,
         fetch_record, validate_import.apply, validate_import.on_failure),
    Kind("create_client",        Part.SPINE,  None,       30,         8,     300.0,
         fetch_record, create_client.apply),
    Kind("create_entity",        Part.SPINE,  None,       30,         8,     300.0,
         fetch_record, create_entity.apply),
    Kind("import_details",       Part.BRANCH, None,       60,         8,     600.0,
         fetch_record, import_details.apply),
    Kind("import_relationships", Part.BRANCH, None,       60,         8,     600.0,
         fetch_record, import_relationships.apply),
    Kind("send_welcome_email",   Part.BRANCH, Lane.EMAIL, 60,         8,     1800.0,
         send_welcome_email.fetch, send_welcome_email.apply, send_welcome_email.on_failure),
    Kind(reconnect_notice.KIND,  Part.APART,  reconnect_notice.LANE, reconnect_notice.DEADLINE_SECONDS, 8, 1800.0,
         reconnect_notice.fetch, reconnect_notice.apply, reconnect_notice.on_failure),
    Kind(leave_xero.KIND,        Part.APART,  Lane.RESYNC, 90,        8,     3600.0,
         leave_xero.fetch, leave_xero.apply),
    Kind(sync_directory.KIND,    Part.APART,  sync_directory.LANE, sync_directory.DEADLINE_SECONDS, 8, 1800.0,
         sync_directory.fetch, sync_directory.apply, sync_directory.on_failure),
    Kind(webhook_events.KIND,    Part.APART,  Lane.EMAIL, 60, deliver_webhook.TRIES, 3600.0,
         deliver_webhook.fetch, deliver_webhook.apply, deliver_webhook.on_failure),
    Kind(resync_relationships.KIND, Part.APART, resync_relationships.LANE, resync_relationships.DEADLINE_SECONDS, 8, 1800.0,
         resync_relationships.fetch, resync_relationships.apply),
)}
# fmt: on
