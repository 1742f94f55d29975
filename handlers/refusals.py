"""Every refusal that people read: code, what happened, what to do next, and the field it is about.

Programs depend on the codes; the words are for people and may change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from handlers.errors import Rejected, RequestRefused

E = TypeVar("E", Rejected, RequestRefused)


@dataclass(frozen=True)
class Refusal(Generic[E]):
    """A refusal's words. Calling it makes the error to raise; `values` fill the braces of the words."""

    error: type[E]
    code: str
    message: str
    remedy: str
    field: str | None = None

    def __call__(self, *, field: str | None = None, **values: object) -> E:
        return self.error(
            self.code, self.message.format(**values), self.remedy.format(**values), field=field or self.field
        )


# ---- Every use case ----

BAD_FIELD = Refusal(RequestRefused, "bad_request", "{name}: {reason}.", "Correct it.")
BAD_CURSOR = Refusal(
    RequestRefused, "bad_cursor", "This is not a cursor that a list gave.", "Begin at the first page.", field="cursor"
)

# ---- Who acts and may ----

UNKNOWN_OPERATOR = Refusal(
    RequestRefused,
    "unknown_operator",
    "There is no such operator.",
    "Give the id or the email of one; portal-sync operator add makes one.",
    field="operator",
)
REASON_LENGTH = Refusal(
    RequestRefused,
    "bad_request",
    "A reason has 1 to {max_reason} characters.",
    "Say why in a sentence.",
    field="reason",
)
REASON_HAS_ADDRESS = Refusal(
    RequestRefused,
    "bad_request",
    "A reason stays in the audit trail, which holds no personal data.",
    "Leave the email address out; name a ticket instead.",
    field="reason",
)
NO_SCOPES = Refusal(RequestRefused, "bad_request", "scopes: name at least one.", "Say what it is for.", field="scopes")
BAD_KEY_NAME = Refusal(
    RequestRefused, "bad_request", "name: must be one line of 1 to 200 characters.", "Correct it.", field="name"
)
NOTHING_TO_CHANGE = Refusal(RequestRefused, "bad_request", "There is nothing to change.", "Say what to change.")
UNKNOWN_TIME_ZONE = Refusal(
    RequestRefused,
    "bad_request",
    "This is not a known time zone.",
    "Give one such as Australia/Sydney.",
    field="time_zone",
)
TERMS_NOT_ACCEPTED = Refusal(
    RequestRefused,
    "terms_not_accepted",
    "An account is activated by accepting the terms of use.",
    "Read them and accept them, or leave the account as it is.",
    field="accept_terms",
)
LINK_USED = Refusal(
    RequestRefused,
    "link_used",
    "This account is active already.",
    "Sign in with your email and password.",
    field="token",
)
ACTIVATION_LINK_ENDED = Refusal(
    RequestRefused,
    "link_ended",
    "This link has ended: it is too old, or a newer one was sent.",
    "Open the newest email, or ask your accountant to send the invitation again.",
    field="token",
)
PASSWORD_LINK_ENDED = Refusal(
    RequestRefused,
    "link_ended",
    "This link to set a password was used before, is too old, or is not one.",
    "Ask for a new link.",
    field="token",
)
UNKNOWN_KEY = Refusal(
    RequestRefused,
    "unknown_key",
    "There is no such API key, or it has ended.",
    "Look at the list of keys.",
    field="key_id",
)
UNKNOWN_STAFF__API_KEYS = Refusal(
    RequestRefused,
    "unknown_staff",
    "Nobody with this id works at the practice.",
    "Give the id of a staff member of this practice.",
    field="X-Staff-Id",
)
UNKNOWN_STAFF = Refusal(
    RequestRefused, "unknown_staff", "Nobody with this id works at the practice.", "Check the ids.", field="staff_id"
)
UNKNOWN_PRACTICE = Refusal(
    RequestRefused, "unknown_practice", "There is no practice with this id.", "Check the id.", field="practice_id"
)
IMPORT_NOT_ALLOWED = Refusal(
    RequestRefused,
    "not_allowed",
    "Staff with the role Basic cannot import clients.",
    "Ask an owner, account admin, partner or manager.",
)
MANAGERS_ONLY = Refusal(
    RequestRefused, "not_allowed", "Only owners and account admins may do this.", "Ask an owner or account admin."
)
KEY_LACKS_SCOPE = Refusal(
    RequestRefused,
    "scope_missing",
    "This API key is not good for this: it lacks the scope {scope}.",
    "Use a key that has it, or have one made.",
)
LOGIN_EMAIL_TAKEN = Refusal(
    RequestRefused,
    "email_taken",
    "This email address is already used by a login of the portal.",
    "Give another one: each address belongs to one login of the whole platform.",
    field="email",
)
BAD_CREDENTIALS = Refusal(
    RequestRefused,
    "bad_credentials",
    "There is no staff member with this email and password.",
    "Check both, or ask for a link to set a password.",
)

# ---- Email ----

EMAIL_INVALID = Refusal(
    Rejected,
    "email_invalid",
    "The email address is not a valid one.",
    "Correct it in XPM or give another one, then import again.",
    field="email",
)
EMAIL_REFUSED = Refusal(
    Rejected,
    "email_refused",
    "The mail server refused the email for this address.",
    "Check the client's email address, then send the invitation again.",
    field="email",
)

# ---- Xero ----

REQUESTER_NOT_ALLOWED = Refusal(
    Rejected,
    "not_allowed",
    "Staff with the role Basic cannot import clients.",
    "Ask an owner, account admin, partner or manager.",
)
MFA_NOT_MANDATORY = Refusal(
    Rejected,
    "mfa_not_mandatory",
    "Multi-factor authentication is not mandatory for all staff and clients, which Xero requires.",
    "Mandate it under Admin Settings > Security, then connect XPM.",
)
STAFF_LEFT = Refusal(
    Rejected,
    "staff_left",
    "The staff member who asked for this import no longer works at the practice.",
    "Ask a colleague to request it again.",
)
INTEGRATION_NOT_CONFIGURED = Refusal(
    Rejected,
    "integration_not_configured",
    "XPM is not connected for the staff member who asked.",
    "Connect it under Configure > Integrations, then import again.",
)

# ---- Webhooks ----

BAD_URL = Refusal(RequestRefused, "bad_request", "url: the address {words}.", "Correct it.", field="url")
WEBHOOK_GONE = Refusal(
    Rejected, "webhook_gone", "The endpoint answered 410: it is gone for good.", "Remove it, or test it again."
)
WEBHOOK_REMOVED = Refusal(Rejected, "webhook_removed", "The endpoint was removed.", "Add it again if it is to be told.")
WEBHOOK_DISABLED = Refusal(
    Rejected, "webhook_disabled", "The endpoint is disabled.", "Mend it, then test it; a test enables it again."
)
WEBHOOK_HOST_PRIVATE = Refusal(
    Rejected,
    "webhook_private",
    "The endpoint's host is not at a public address.",
    "Give the endpoint a public address, then test it.",
)
WEBHOOK_URL_PRIVATE = Refusal(
    RequestRefused, "webhook_private", "url: this address is not a public one.", "Give a public address.", field="url"
)
UNKNOWN_WEBHOOK = Refusal(
    RequestRefused, "unknown_webhook", "There is no such webhook.", "Look at the list of webhooks.", field="webhook_id"
)
TOO_MANY_WEBHOOKS = Refusal(
    RequestRefused, "too_many_webhooks", "A practice has at most {most} webhooks.", "Remove one that is not needed."
)

# ---- The directory ----

TYPE_DOES_NOT_FIT_KIND = Refusal(
    RequestRefused,
    "bad_request",
    "An entity has one of the nine types, and an individual none.",
    "Give the type with an entity, and leave it out with an individual.",
    field="entity_type",
)
STRUCTURE_LENGTH = Refusal(
    RequestRefused, "bad_request", "A structure has 1 to {max_structure} characters.", "Correct it.", field="structure"
)
DIRECTORY_UNREADABLE = Refusal(
    Rejected,
    "not_connected",
    "Nobody has a connection that works to read this directory through.",
    "Reconnect XPM under Configure > Integrations; a sync then begins by itself.",
)
NO_CONNECTION_TO_SYNC = Refusal(
    RequestRefused,
    "not_connected",
    "Nobody has a connection that works to read this directory through.",
    "Reconnect XPM under Configure > Integrations.",
    field="directory",
)
UNKNOWN_DIRECTORY = Refusal(
    RequestRefused,
    "unknown_directory",
    "There is no such directory.",
    "portal-sync directory list shows them.",
    field="directory",
)
NOT_HELD = Refusal(
    RequestRefused,
    "not_held",
    "Nothing of this directory waits to be accepted.",
    "There is nothing to do.",
    field="directory",
)
CHANGED_MEANWHILE = Refusal(
    RequestRefused, "changed_meanwhile", "A sync has changed who would be gone.", "Look again.", field="directory"
)
PERSON_ERASED = Refusal(
    Rejected,
    "person_erased",
    "This person asked to be forgotten after this import was asked for.",
    "Import them anew if they are to be a client again.",
    field="xpm_uuid",
)
UNKNOWN_STRUCTURE = Refusal(
    RequestRefused,
    "unknown_structure",
    "Nobody has said what this structure means.",
    "Look at the list.",
    field="structure",
)

# ---- Relationships and their review ----

CO_OWNER_EMAIL_TAKEN = Refusal(
    RequestRefused,
    "email_taken",
    "This email address is already used by another login of the portal.",
    "Give the co-owner an address of their own, or import without co-ownership.",
    field="email",
)
CO_OWNER_EMAIL_MISSING = Refusal(
    RequestRefused,
    "email_missing",
    "A co-owner needs an email address of their own.",
    "Give one, or import without co-ownership.",
    field="email",
)
ALREADY_REVIEWED = Refusal(
    RequestRefused, "already_reviewed", "Somebody else has decided about this item.", "Look at the list of items again."
)
CO_OWNER_ALREADY = Refusal(
    RequestRefused,
    "co_owner_already",
    "This team member co-owns the account already, with an address of their own.",
    "Leave it out.",
)
UNKNOWN_ITEM = Refusal(RequestRefused, "unknown_item", "There is no such review item.", "Look at the list of items.")
ITEM_CHANGED = Refusal(
    RequestRefused,
    "item_changed",
    "XPM has told something new about this item since.",
    "Look at it again, then decide.",
)
ITEM_SUPERSEDED = Refusal(
    RequestRefused, "item_superseded", "XPM no longer tells this relationship.", "Look at the list of items again."
)
RELATIONSHIP_MISSING = Refusal(
    RequestRefused, "relationship_missing", "A team member needs a relationship.", "Give one.", field="relationship"
)
NOT_A_PERSON = Refusal(
    RequestRefused,
    "not_a_person",
    "An entity has no account to co-own.",
    "Import without co-ownership.",
    field="as_co_owner",
)
UNKNOWN_MEMBER = Refusal(
    RequestRefused,
    "unknown_member",
    "The client has no such team member.",
    "Choose one of its team.",
    field="team_member_id",
)
TIED_ALREADY = Refusal(
    RequestRefused,
    "tied_already",
    "One XPM record belongs to one team member, and one of these two is tied to another.",
    "To undo a wrong link, disconnect the client from XPM, connect it again and import.",
    field="team_member_id",
)

# ---- Schedules ----

SCHEDULE_ALREADY_PAUSED = Refusal(
    RequestRefused,
    "paused_already",
    "This schedule is paused already, by {what}{since}: {paused_why}",
    "Nothing was changed.",
    field="schedule",
)
SCHEDULE_NOT_PAUSED = Refusal(
    RequestRefused,
    "not_paused",
    "This schedule is not paused.",
    "portal-sync schedule list shows which are.",
    field="schedule",
)
UNKNOWN_SCHEDULE = Refusal(
    RequestRefused,
    "unknown_schedule",
    "There is no such schedule.",
    "portal-sync schedule list shows them; the relay makes one for each directory.",
    field="schedule",
)
NOT_A_SYNC = Refusal(
    RequestRefused,
    "not_a_sync",
    "This is work of the night, which the relay does itself.",
    "portal-sync {name} does it now.",
    field="schedule",
)
STILL_RUNNING = Refusal(
    RequestRefused,
    "still_running",
    "A sync of this directory is under way.",
    "Let it end; portal-sync schedule list shows when it has.",
    field="schedule",
)

# ---- Connecting and leaving XPM ----

CONNECTION_ALREADY_THEIRS = Refusal(
    RequestRefused,
    "bad_request",
    "It is this colleague's connection already.",
    "Name somebody else.",
    field="to_staff_id",
)
CONNECT_NOT_ALLOWED = Refusal(
    RequestRefused,
    "not_allowed",
    "Staff with the role Basic cannot connect XPM.",
    "Ask an owner, account admin, partner or manager.",
)
CONSENT_LACKS_SCOPE = Refusal(
    RequestRefused,
    "scope_missing",
    "The consent given at Xero does not allow reading XPM clients in the background.",
    "Connect again and allow everything that Xero asks for.",
)
UNKNOWN_CONNECTION = Refusal(
    RequestRefused, "unknown_connection", "There is no such connection.", "Check the id.", field="connection_id"
)
MFA_NOT_MANDATORY_AT_PRACTICE = Refusal(
    RequestRefused,
    "mfa_not_mandatory",
    "Multi-factor authentication is not mandatory at this practice, which Xero requires.",
    "Mandate it first: portal-sync practice set ID --mfa",
    field="practice_id",
)
MFA_REQUIRED_TO_CONNECT = Refusal(
    RequestRefused,
    "mfa_not_mandatory",
    "Multi-factor authentication is not mandatory for all staff and clients, which Xero requires.",
    "Set up firm-wide mandatory MFA for staff and clients under Admin Settings > Security, then connect XPM.",
)
STAFF_ALREADY_CONNECTED = Refusal(
    RequestRefused,
    "already_connected",
    "This staff member is connected to XPM already.",
    "Disconnect it first, or add the connection for somebody else.",
    field="staff_id",
)
CONNECTED_TO_ANOTHER_PRACTICE = Refusal(
    RequestRefused,
    "already_connected",
    "You are connected to another XPM practice.",
    "Disconnect that one first, under Configure > Integrations.",
)
XERO_APP_REFUSED = Refusal(
    RequestRefused,
    "xero_app_refused",
    "Xero does not accept this portal's app ({known}).",
    "Operations: check XERO_CLIENT_ID, XERO_CLIENT_SECRET, PUBLIC_URL and the app's scopes; see docs/xpm.md.",
)
CONSENT_ANSWER_EXPIRED = Refusal(
    RequestRefused,
    "consent_expired",
    "This answer from Xero is too old, was used before or is not yours.",
    "Start connecting again under Configure > Integrations.",
)
CONSENT_CHOICE_CLOSED = Refusal(
    RequestRefused,
    "consent_expired",
    "This choice is not open any more.",
    "Start connecting again under Configure > Integrations.",
)
CONSENT_NOT_ACCEPTED = Refusal(
    RequestRefused,
    "consent_expired",
    "Xero does not take this answer any more.",
    "Start connecting again under Configure > Integrations.",
)
NO_XPM_PRACTICE = Refusal(
    RequestRefused,
    "no_xpm_practice",
    "Xero let the portal into no XPM practice: it may have said that you have no access to connect any XPM accounts.",
    "Ask an XPM administrator to switch on “Connect third-party add-ons” for your XPM user, then connect again and allow access.",
)
ACCESS_DENIED = Refusal(
    RequestRefused,
    "access_denied",
    "Access was not allowed at Xero.",
    "Ask an XPM administrator to switch on “Connect third-party add-ons” for your XPM user, then connect again and allow access.",
)
XERO_UNAVAILABLE = Refusal(
    RequestRefused,
    "xero_unavailable",
    "Xero could not be used.",
    "Wait a few minutes. Start connecting again under Configure > Integrations.",
)
UNKNOWN_TENANT = Refusal(
    RequestRefused,
    "unknown_tenant",
    "Xero did not let the portal into this practice.",
    "Choose one of the practices offered.",
    field="tenant_id",
)
XERO_CONTRACT = Refusal(
    RequestRefused,
    "xero_contract",
    "Xero answered in a way we do not understand.",
    "Start connecting again under Configure > Integrations.",
)
ALREADY_DISCONNECTED = Refusal(
    RequestRefused, "already_disconnected", "This connection is disconnected already.", "", field="connection_id"
)
XPM_NOT_CONNECTED = Refusal(
    RequestRefused, "already_disconnected", "XPM is not connected.", "There is nothing to disconnect."
)
UNKNOWN_COLLEAGUE = Refusal(
    RequestRefused,
    "unknown_colleague",
    "Nobody with this id works at the practice.",
    "Give the id of a staff member of the practice.",
    field="to_staff_id",
)
COLLEAGUE_NOT_CONNECTED = Refusal(
    RequestRefused,
    "colleague_not_connected",
    "This colleague has no connection that works to the same practice in XPM.",
    "Let them connect it under Configure > Integrations first.",
    field="to_staff_id",
)
DIRECTORY_NOT_READ = Refusal(
    RequestRefused,
    "directory_not_read",
    "What this colleague sees in XPM was not read yet.",
    "It is read within minutes of connecting; try again then.",
    field="to_staff_id",
)

# ---- Clients ----

DUE_DATE_PAST = Refusal(
    RequestRefused, "bad_request", "due_date: this day is past.", "Choose today or a later day.", field="due_date"
)
CONNECTION_FOR_ENTITIES_ONLY = Refusal(
    RequestRefused, "bad_request", "connection_id is for entities only.", "Leave it out.", field="connection_id"
)
UNKNOWN_ENTITY_CONNECTION = Refusal(
    RequestRefused,
    "unknown_connection",
    "There is no such connection.",
    "Look at the entity's connections.",
    field="connection_id",
)
ENTITIES_ONLY = Refusal(
    RequestRefused,
    "entities_only",
    "This client is a person, who acts for themselves.",
    "Add connections to entities: companies, trusts and the like.",
    field="client_id",
)
GUEST_EMAIL_MISSING = Refusal(
    RequestRefused, "email_missing", "Guest access needs an email address.", "Give their email.", field="email"
)
HAS_OPEN_TASKS = Refusal(
    RequestRefused,
    "has_open_tasks",
    "This connection has {count} open task{what}.",
    "Complete or withdraw them first.",
    field="connection_id",
)
ALREADY_LINKED = Refusal(
    Rejected,
    "already_linked",
    "This XPM client is already a client of the practice.",
    "Open the existing client instead; to bring newer data, use Import items from Xero Practice Manager there.",
    field="xpm_uuid",
)
CLIENT_DISCONNECTED = Refusal(
    Rejected,
    "not_connected",
    "The client is no longer connected to its XPM record, so nothing was imported.",
    "Connect it under Integration actions > Xero Practice Manager, then import again.",
)
WRONG_KIND_OF_RECORD = Refusal(
    RequestRefused, "wrong_kind", "This XPM client is not an {kind}.", "Choose another one.", field="xpm_uuid"
)
UNKNOWN_CLIENT = Refusal(RequestRefused, "unknown_client", "There is no such client.", "Look at the list of clients.")
CONNECTION_NEEDED = Refusal(
    RequestRefused,
    "connection_needed",
    "An entity has no login of its own: a task goes to a person who acts for it, and it has none.",
    "Add a connection to the entity first, a director or trustee, say; then send the task.",
    field="connection_id",
)
CHOOSE_CONNECTION = Refusal(
    RequestRefused,
    "choose_connection",
    "{count} people act for this entity.",
    "Choose the one whom the task goes to.",
    field="connection_id",
)
TASK_ENDED = Refusal(
    RequestRefused, "task_ended", "This task was {state} already.", "Send another one if more is to be done."
)
UNKNOWN_TASK = Refusal(RequestRefused, "unknown_task", "There is no such task.", "Look at the client's tasks.")

# ---- Imports ----

NOTHING_TO_IMPORT = Refusal(
    RequestRefused, "bad_request", "There is nothing to bring.", "Ask for details, relationships or both."
)
NOT_AMENDABLE = Refusal(RequestRefused, "bad_request", "{what} cannot be amended.", "Ask for a new import.")
NOTHING_TO_AMEND = Refusal(
    RequestRefused, "bad_request", "That is what it asks for already.", "Give what is to be another."
)
EMAIL_TAKEN = Refusal(
    Rejected,
    "email_taken",
    "This email address is already used by another login of the portal.",
    "Give the client an email address of their own, then import again.",
    field="email",
)
EMAIL_MISSING = Refusal(
    Rejected,
    "email_missing",
    "The client has no email address in XPM, and each client needs an own one.",
    "Add the client's own email address in XPM or in the import window, then import again.",
    field="email",
)
WRONG_KIND = Refusal(
    Rejected,
    "wrong_kind",
    "XPM holds this client as {article}, not as an {other}.",
    "Import it as {article}.",
    field="kind",
)
BAD_BATCH_SIZE = Refusal(
    RequestRefused,
    "bad_batch_size",
    "A batch holds 1 to {max_batch} rows; this one has {count}.",
    "Split it into several batches.",
)
MIXED_BATCH = Refusal(
    RequestRefused, "mixed_batch", "A batch belongs to one practice and one staff member.", "Send one batch for each."
)
CLIENT_EXISTS = Refusal(
    RequestRefused,
    "client_exists",
    "The client exists, so {what} is changed there and not on its import.",
    "Change client {client_id} in the portal.",
)
LOGIN_ACTIVATED = Refusal(
    RequestRefused,
    "login_activated",
    "The client has activated the login, so its email is theirs to change.",
    "Ask the client to change it in the portal.",
    field="email",
)
IMPORT_CLOSED = Refusal(
    RequestRefused,
    "import_closed",
    "This import is closed already: {words}.",
    "What it created stays. Operations take dead letters of it out with `portal-sync dead dismiss`.",
    field="import_id",
)
EMAIL_BEING_SENT = Refusal(
    RequestRefused,
    "email_being_sent",
    "All that is left of this import is its welcome email, which is being sent and cannot be called back.",
    "Wait for it to end.",
    field="import_id",
)
UNKNOWN_IMPORT = Refusal(RequestRefused, "unknown_import", "There is no such import.", "Look at the list of imports.")
UNKNOWN_IMPORT_ID = Refusal(
    RequestRefused,
    "unknown_import",
    "There is no import of this id.",
    "See `portal-sync imports list`.",
    field="import_id",
)
UNKNOWN_BATCH = Refusal(RequestRefused, "unknown_batch", "There is no such batch.", "Check the id.")
UNKNOWN_JOB = Refusal(
    RequestRefused,
    "unknown_job",
    "There is no job of this id.",
    "See `portal-sync jobs list` and `portal-sync dead list`.",
    field="job_id",
)
EMAIL_NOT_WANTED = Refusal(
    Rejected,
    "email_not_wanted",
    "There is nobody to send this welcome email to any more.",
    "Send an invitation from the client list if one is wanted.",
)
ALREADY_BEING_IMPORTED = Refusal(
    Rejected,
    "already_being_imported",
    "This XPM client is already being imported.",
    "Wait for that import to finish; it is on Integration progress.",
    field="xpm_uuid",
)
NAME_TOO_LONG = Refusal(
    Rejected,
    "name_too_long",
    "The client's name in XPM is longer than {max_name} characters.",
    "Give a shorter name when importing.",
    field="name",
)
UNKNOWN_EMAIL = Refusal(
    RequestRefused,
    "unknown_email",
    "There is no welcome email of this id.",
    "See `portal-sync emails list`.",
    field="email_id",
)
NOT_UNKNOWN = Refusal(
    RequestRefused,
    "not_unknown",
    "The outcome of this email is known: {value}.",
    "There is nothing to decide.",
    field="email_id",
)

# ---- Jobs ----

UNDER_WAY_ELSEWHERE = Refusal(
    RequestRefused,
    "under_way_elsewhere",
    "Import {id} brings the same XPM record; it is {what}.",
    "Wait for it to close; requeue this one only if that one fails.",
    field="job_id",
)

# ---- Operators ----

NOT_DEAD = Refusal(
    RequestRefused,
    "not_dead",
    "It is not a dead letter: it is {value}{what}.",
    "See `portal-sync jobs explain {id}`.",
    field="job_id",
)
UNKNOWN_PERSON = Refusal(
    RequestRefused,
    "unknown_person",
    "Nothing is known of this person.",
    "Check the ids; a person who was erased before is not known any more.",
    field="person",
)
IMPORT_OPEN = Refusal(
    RequestRefused,
    "import_open",
    "Import {which} of this person is open, and would bring back what is erased.",
    "Cancel it first: portal-sync imports cancel {which}.",
    field="import",
)
REQUEST_WAITING = Refusal(
    RequestRefused,
    "request_waiting",
    "A request for this person waits on the queue import_requests.",
    "Let a worker take it in, cancel its import, then erase.",
    field="import",
)
OTHER_TENANT = Refusal(Rejected, "other_tenant", "The client's XPM record is in another practice of theirs.", "")
ALREADY_PAUSED = Refusal(
    RequestRefused,
    "paused_already",
    "{what} is paused already, by {who} since {since}: {reason}",
    "Nothing was changed.",
    field="scope",
)
PAUSE_JUST_LIFTED = Refusal(
    RequestRefused, "paused_already", "The pause of {scope} was just lifted.", "Try again.", field="scope"
)
UNKNOWN_KIND = Refusal(
    RequestRefused, "unknown_kind", "There is no kind of job of this name.", "Kinds: {what}.", field="kind"
)
NOT_PAUSED = Refusal(
    RequestRefused, "not_paused", "There is no pause of {scope}.", "See `portal-sync pauses list`.", field="scope"
)
RESTORE_UNDER_WAY = Refusal(
    RequestRefused, "restore_under_way", "A restore is under way.", "Finish it first: portal-sync restore finish."
)
NO_RESTORE = Refusal(RequestRefused, "no_restore", "No restore is under way.", "Begin one: portal-sync restore begin.")

# ---- HTTP ----

BAD_IDEMPOTENCY_KEY = Refusal(
    RequestRefused, "bad_request", "The key must be one line of text.", "Send another key.", field="Idempotency-Key"
)
TOO_LONG = Refusal(RequestRefused, "bad_request", "This does not fit.", "At most {longest} characters.")
STAFF_NOT_NAMED = Refusal(
    RequestRefused,
    "unknown_staff",
    "An API key acts for a staff member, and none was named.",
    "Name one by their id in the header X-Staff-Id.",
    field="X-Staff-Id",
)
NO_MEMBER_CHOSEN = Refusal(
    RequestRefused, "unknown_member", "Nobody is chosen.", "Choose a team member.", field="team_member_id"
)
BAD_MEDIA_TYPE = Refusal(
    RequestRefused,
    "bad_media_type",
    "The body is neither JSON nor CSV.",
    "Send application/json or text/csv.",
    field="Content-Type",
)
BAD_CSV = Refusal(RequestRefused, "bad_csv", "The CSV {reason}", "Correct it and send it again.", field="body")
NOT_READY = Refusal(
    RequestRefused, "not_ready", "The database is at another revision.", "Run `portal-sync db upgrade`."
)
CSRF = Refusal(
    RequestRefused,
    "csrf",
    "This request does not look like it was sent by a page of the portal.",
    "Load the page again. Programs: send the session's X-CSRF-Token, or use an API key.",
)
BAD_KEY = Refusal(
    RequestRefused,
    "bad_key",
    "This API key is not one, or has ended.",
    "Send Authorization: Bearer and a key that works.",
)
NOT_AUTHENTICATED = Refusal(RequestRefused, "not_signed_in", "Nobody is signed in.", "Sign in, or send an API key.")
NOT_SIGNED_IN = Refusal(RequestRefused, "not_signed_in", "Nobody is signed in.", "Sign in.")
UNKNOWN_FILE = Refusal(RequestRefused, "unknown_file", "There is no such file.", "Load the page again.")
TOO_MANY_STREAMS = Refusal(
    RequestRefused,
    "too_many_streams",
    "Too many progress displays are open.",
    "Close some, or look at the address without /events every few seconds.",
)
CLIENT_NOT_CONNECTED = Refusal(
    RequestRefused,
    "not_connected",
    "The client is not connected to an XPM record.",
    "Connect it under Integration actions > Xero Practice Manager, then import.",
)
IDEMPOTENCY_CONFLICT = Refusal(
    RequestRefused,
    "idempotency_conflict",
    "This request id was used before for another request.",
    "Use a new request id for a new request.",
    field="request_id",
)
