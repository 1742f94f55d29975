"""The refusals of use cases: code, what happened, what to do next, and the field each is about.

Programs depend on the codes and fields; the words are for people and may change. Words in braces are filled in by the call.
"""

from __future__ import annotations

from handlers.errors import Refusal, RefusedForNow, Rejected, RequestRefused

_ASK_A_COLLEAGUE = "Ask an owner, account admin, partner or manager."
_CONNECT_AGAIN = "Start connecting again under Configure > Integrations."
_DISMISS = "There is nothing left to do. Dismiss this dead letter."
_MFA_REQUIRED = "Multi-factor authentication is not mandatory for all staff and clients. Xero requires it."
_XPM_PERMISSION = (
    "Ask an XPM administrator to switch on “Connect third-party add-ons” for your XPM user, then connect again and allow"
    " access."
)

# fmt: off
# ---- Any request ----
BAD_FIELD = Refusal(RequestRefused, "bad_request",
    "{field}: {reason}.", "Correct this field and send the request again.")
BAD_FIELDS = Refusal(RequestRefused, "bad_request",
    "{reason}.", "Correct this field and send the request again.")
TOO_LONG = Refusal(RequestRefused, "bad_request",
    "This text is too long or contains characters that can't be used.", "Enter up to {max_length} characters.")
NOTHING_TO_CHANGE = Refusal(RequestRefused, "bad_request",
    "There is nothing to change.", "Give at least one new value.")
BAD_CURSOR = Refusal(RequestRefused, "bad_cursor",
    "This cursor is not valid for this list.", "Start again from the first page.", field="cursor")
BAD_IDEMPOTENCY_KEY = Refusal(RequestRefused, "bad_request",
    "The idempotency key must be one line of text.", "Use another key.", field="Idempotency-Key")
IDEMPOTENCY_CONFLICT = Refusal(RequestRefused, "idempotency_conflict",
    "This request id has already been used for a different request.",
    "Use a new request id for a new request.", field="request_id")
BAD_MEDIA_TYPE = Refusal(RequestRefused, "bad_media_type",
    "The body is neither JSON nor CSV nor an Excel file.",
    "Send application/json, text/csv or application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.",
    field="Content-Type")
BAD_CSV = Refusal(RequestRefused, "bad_csv",
    "We couldn't read this file: it {reason}.", "Correct the file and send it again.", field="body")
UNKNOWN_FILE = Refusal(RequestRefused, "unknown_file",
    "We can't find that file.", "Reload the page.")
TOO_MANY_USES = Refusal(RefusedForNow, "too_many_requests",
    "This was done too often in a short time: {use}.", "Try again in {wait}.")
TOO_MANY_STREAMS = Refusal(RequestRefused, "too_many_streams",
    "Too many progress displays are open.", "Close some, or poll the address without /events every few seconds.")
NOT_READY = Refusal(RequestRefused, "not_ready",
    "This release cannot work with the database's revision.",
    "Run `portal-sync db check`: it says whether to upgrade the database or to start a newer release.")

# ---- Signing in, passwords, activation ----
NOT_SIGNED_IN = Refusal(RequestRefused, "not_signed_in",
    "You are not signed in.", "Sign in.")
NOT_AUTHENTICATED = Refusal(RequestRefused, "not_signed_in",
    "You are not signed in.", "Sign in, or send an API key.")
BAD_CREDENTIALS = Refusal(RequestRefused, "bad_credentials",
    "Incorrect email or password.", "Check both, or choose “Forgotten password?” to set a new one.")
SIGN_IN_ENDED = Refusal(RequestRefused, "sign_in_ended",
    "This sign-in took too long, or was completed already.", "Sign in again.")
SIGN_ON_AWAY = Refusal(RequestRefused, "sign_on_away",
    "Your organisation's single sign-on can't be used now: {reason}.", "Try again, or sign in with a password.")
SIGN_ON_REFUSED = Refusal(RequestRefused, "sign_on_refused",
    "Your organisation's single sign-on doesn't vouch for you ({reason}).",
    "Try again. If it stays so, ask whoever runs it; docs/console.md says what it has to tell us.")
SIGN_ON_STRANGER = Refusal(RequestRefused, "sign_on_stranger",
    "No operator has the email that your organisation's single sign-on gave us.",
    "Ask a colleague to add you: portal-sync operator add.")
SIGN_ON_ANOTHER_ACCOUNT = Refusal(RequestRefused, "sign_on_another_account",
    "The operator with your email has signed in with another account of your organisation's before.",
    "If it is still the same person, a colleague runs portal-sync operator reset-second-factor.")
SIGN_ON_ANOTHER = Refusal(RequestRefused, "sign_on_another",
    "Your organisation's single sign-on says that you are somebody else, or didn't ask you for your password now.",
    "Confirm with the account that you are signed in with.")
SECOND_FACTOR_NEEDED = Refusal(RequestRefused, "second_factor_needed",
    "This account signs in with a second factor.",
    "Send a code of your authenticator app, or a recovery code, with your email and password.", field="code")
SECOND_FACTOR_NOT_SET_UP = Refusal(RequestRefused, "second_factor_not_set_up",
    "Multi-factor authentication (MFA) is mandatory at your practice and not set up for you.",
    "Sign in at the portal in a browser: it leads you to setting it up.")
SET_UP_ALREADY = Refusal(RequestRefused, "second_factor_set_up",
    "Multi-factor authentication (MFA) is set up for you already.", "Reload the page.")
SET_UP_EXPIRED = Refusal(RequestRefused, "set_up_expired",
    "This QR code was shown too long ago.", "Scan the new one below.")
BAD_CODE = Refusal(RequestRefused, "bad_code",
    "That code isn't right, or has been used already.",
    "Enter the code that your app shows now.", field="code")
MFA_IS_MANDATORY = Refusal(RequestRefused, "mfa_is_mandatory",
    "Multi-factor authentication (MFA) is mandatory at your practice, so you can't turn it off.",
    "If you have lost your device, ask an owner or account admin of your practice.")
BAD_PASSKEY = Refusal(RequestRefused, "bad_passkey",
    "This passkey was not accepted.", "Try again, or use a code.")
TOO_MANY_PASSKEYS = Refusal(RequestRefused, "too_many_passkeys",
    "You have {most} passkeys, which is the most.", "Remove one that you no longer use.")
ONLY_SECOND_FACTOR = Refusal(RequestRefused, "only_second_factor",
    "This passkey is all that your multi-factor authentication (MFA) consists of.",
    "Add another passkey or an authenticator app first.")
NO_PASSKEYS_HERE = Refusal(RequestRefused, "no_passkeys_here",
    "This portal's address is a number, for which browsers make no passkeys.", "Use a code.")
CONFIRMATION_NEEDED = Refusal(RequestRefused, "confirmation_needed",
    "For this, you have to confirm that it is you.",
    "Send a code of your second factor, or your password if you have none, to POST /session/confirmation; then try again.")
OWN_SECOND_FACTOR = Refusal(RequestRefused, "own_second_factor",
    "You can't reset your own multi-factor authentication (MFA).", "Ask another owner.")
RESET_BY_OWNERS = Refusal(RequestRefused, "not_allowed",
    "Only owners can reset a colleague's multi-factor authentication (MFA).", "Ask an owner.")
OWN_ROLE = Refusal(RequestRefused, "own_role",
    "You can't change your own role or deactivate yourself.", "Ask another owner or account admin.")
OWNERS_ONLY = Refusal(RequestRefused, "not_allowed",
    "Only owners can add, change, sign out or deactivate an owner.", "Ask an owner.")
PASSWORD_ALREADY_SET = Refusal(RequestRefused, "password_set",
    "This person has already set their password.", "They can choose “Forgotten password?” to set a new one.")
NO_SECOND_FACTOR = Refusal(RequestRefused, "no_second_factor",
    "Multi-factor authentication (MFA) isn't set up for this person.", "There is nothing to reset.")
ROLE_TOO_LOW = Refusal(RequestRefused, "not_allowed",
    "Your role may not do this; it takes the role {role}.", "Ask a colleague with that role.")
CONFIRM_FIRST = Refusal(RequestRefused, "confirm_first",
    "This needs a code of your authenticator app that was given in the last 15 minutes.",
    "Enter the code that your app shows now.", field="code")
CSRF = Refusal(RequestRefused, "csrf",
    "This request does not seem to come from a page of the portal.",
    "Reload the page. Programs: send the session's X-CSRF-Token, or use an API key.")
PASSWORD_TOO_SHORT = Refusal(RequestRefused, "bad_password",
    "A password must have {min_length} to {max_length} characters.",
    "Choose a longer one; try a short phrase.", field="password")
PASSWORD_TOO_LONG = Refusal(RequestRefused, "bad_password",
    "A password must have {min_length} to {max_length} characters.", "Choose a shorter one.", field="password")
TOO_MANY_AT_ONCE = Refusal(RefusedForNow, "too_many_at_once",
    "Many people are signing in at this moment.", "Try again in a few seconds.")
PASSWORD_COMMON = Refusal(RequestRefused, "bad_password",
    "This password is easy to guess: it is a common one or follows a pattern.",
    "Choose another one; try a few words that have nothing to do with each other.", field="password")
PASSWORD_PERSONAL = Refusal(RequestRefused, "bad_password",
    "This password is too much like your name, your email address or your firm's name.",
    "Choose another one; try a few words that have nothing to do with you.", field="password")
PASSWORD_UNCHANGED = Refusal(RequestRefused, "bad_password",
    "This is your present password.", "Choose another one.", field="password")
WRONG_OLD_PASSWORD = Refusal(RequestRefused, "wrong_password",
    "This is not your present password.", "Type it again, or sign out and use “Forgotten password”.",
    field="old_password")
PASSWORD_LINK_EXPIRED = Refusal(RequestRefused, "link_ended",
    "This link to set a password has expired, has already been used, or is incomplete.",
    "Ask for a new link.", field="token")
ACTIVATION_LINK_EXPIRED = Refusal(RequestRefused, "link_ended",
    "This link has expired, or a newer one was sent.",
    "Open the newest email, or ask your accountant to send the invitation again.", field="token")
ALREADY_ACTIVATED = Refusal(RequestRefused, "link_used",
    "This account is already active.", "Sign in with your email and password.", field="token")
TERMS_NOT_ACCEPTED = Refusal(RequestRefused, "terms_not_accepted",
    "You need to accept the terms of use to activate your account.",
    "Read and accept the terms, or close this page.", field="accept_terms")
TERMS_CHANGED = Refusal(RequestRefused, "terms_changed",
    "The terms of use have just changed.", "Read them again, and accept them.", field="accept_terms")

# ---- Permissions and API keys ----
IMPORT_NOT_ALLOWED = Refusal(RequestRefused, "not_allowed",
    "Staff with the role Basic cannot import clients.", _ASK_A_COLLEAGUE)
CONNECT_NOT_ALLOWED = Refusal(RequestRefused, "not_allowed",
    "Staff with the role Basic cannot connect XPM.", _ASK_A_COLLEAGUE)
MANAGERS_ONLY = Refusal(RequestRefused, "not_allowed",
    "Only owners and account admins can do this.", "Ask an owner or account admin.")
KEY_LACKS_SCOPE = Refusal(RequestRefused, "scope_missing",
    "This API key does not have the scope {scope}.", "Use a key that has it, or ask for a new key.")
BAD_KEY = Refusal(RequestRefused, "bad_key",
    "This API key is not valid, or has been revoked.", "Send a valid key as Authorization: Bearer.")
UNKNOWN_KEY = Refusal(RequestRefused, "unknown_key",
    "There is no API key with this id, or it has already been revoked.", "Check the list of keys.", field="key_id")
NO_SCOPES = Refusal(RequestRefused, "bad_request",
    "scopes: name at least one.", "Choose what the key may be used for.", field="scopes")

# ---- Producers of queue messages ----
UNSIGNED_REQUEST = Refusal(RequestRefused, "unsigned_request",
    "This request is not signed.",
    "Sign it with a producer's secret, as docs/queue-contract.md says; `portal-sync producer add` makes one.",
    field="signature")
BAD_SIGNATURE = Refusal(RequestRefused, "bad_signature",
    "The signature does not fit the request, or the producer has been revoked.",
    "Check the producer's id, its secret and what is signed: docs/queue-contract.md shows each step.", field="signature")
PRODUCER_SECRET_LOST = Refusal(RequestRefused, "producer_secret_lost",
    "No key in TOKEN_KEYS decrypts this producer's secret.",
    "Ask an operator to put the key back, or to rotate the secret: portal-sync producer rotate.", field="producer")
NOT_ITS_PRACTICE = Refusal(RequestRefused, "not_allowed",
    "This producer may not request imports for this practice.",
    "Sign with a producer that was made for it.", field="practice_id")
UNKNOWN_PRODUCER = Refusal(RequestRefused, "unknown_producer",
    "There is no producer with this id, or it has been revoked.", "Check the list of producers.", field="producer_id")

# ---- Practices, staff, operators ----
UNKNOWN_PRACTICE = Refusal(RequestRefused, "unknown_practice",
    "There is no practice with this id.", "Check the id.", field="practice_id")
UNKNOWN_STAFF = Refusal(RequestRefused, "unknown_staff",
    "Nobody with this id works at the practice.", "Check the id of the staff member.", field="staff_id")
STAFF_NOT_NAMED = Refusal(RequestRefused, "unknown_staff",
    "The request does not say which staff member the API key acts for.",
    "Send the staff member's id in the header X-Staff-Id.", field="X-Staff-Id")
UNKNOWN_OPERATOR = Refusal(RequestRefused, "unknown_operator",
    "There is no operator with this id or email address.",
    "Check it, or add an operator with `portal-sync operator add`.", field="operator")
BAD_LOGO = Refusal(RequestRefused, "bad_request",
    "The logo is not a PNG or JPEG picture of up to {kilobytes} KB and {pixels} pixels a side.",
    "Choose another file.", field="logo")
UNKNOWN_TIME_ZONE = Refusal(RequestRefused, "bad_request",
    "This time zone is not known.", "Use a name like Australia/Sydney.", field="time_zone")
REASON_LENGTH = Refusal(RequestRefused, "bad_request",
    "A reason must have 1 to {max_length} characters.", "Give the reason in a sentence.", field="reason")
REASON_HAS_ADDRESS = Refusal(RequestRefused, "bad_request",
    "A reason is kept in the audit trail, which must not contain personal data.",
    "Leave out the email address; refer to a ticket instead.", field="reason")

# ---- Email addresses ----
EMAIL_INVALID = Refusal(Rejected, "email_invalid",
    "That email address isn't valid.", "Correct it in XPM or enter another one, then import again.", field="email")
EMAIL_AMBIGUOUS = Refusal(Rejected, "email_ambiguous",
    "XPM holds two addresses; choose one.",
    "Keep one in the import window, or correct the client in XPM, then import again.", field="email")
INVALID_ADDRESS = Refusal(RequestRefused, "email_invalid",
    "That email address isn't valid.", "Correct the email address.", field="email")
EMAIL_MISSING = Refusal(Rejected, "email_missing",
    "The client has no email address in XPM. Every client needs an email address of their own.",
    "Add the client's own email address in XPM or in the import window, then import again.", field="email")
EMAIL_TAKEN = Refusal(Rejected, "email_taken",
    "This email address is already in use in the portal.",
    "Enter another email address for this client, then import again.", field="email")
LOGIN_EMAIL_TAKEN = Refusal(RequestRefused, "email_taken",
    "This email address is already in use in the portal.", "Enter another email address.", field="email")
EMAILS_TRIED = Refusal(RefusedForNow, "too_many_taken",
    "Too many email addresses that your practice entered today were already in use in the portal.",
    "Try again tomorrow.", field="email")
CO_OWNER_EMAIL_TAKEN = Refusal(RequestRefused, "email_taken",
    "This email address is already in use in the portal.",
    "Enter the co-owner's own email address, or import without co-ownership.", field="email")
CO_OWNER_EMAIL_MISSING = Refusal(RequestRefused, "email_missing",
    "A co-owner needs an email address of their own.", "Enter one, or import without co-ownership.", field="email")
GUEST_EMAIL_MISSING = Refusal(RequestRefused, "email_missing",
    "Guest access needs an email address.", "Enter their email address.", field="email")
EMAIL_REFUSED = Refusal(Rejected, "email_refused",
    "The mail server rejected the email for this address.",
    "Check the client's email address, then send the invitation again.", field="email")

# ---- Connecting XPM ----
MFA_NOT_MANDATORY = Refusal(Rejected, "mfa_not_mandatory",
    _MFA_REQUIRED, "Make it mandatory under Admin settings > Security, then connect XPM.")
MFA_REQUIRED_TO_CONNECT = Refusal(RequestRefused, "mfa_not_mandatory",
    _MFA_REQUIRED,
    "Set up firm-wide mandatory MFA for staff and clients under Admin settings > Security, then connect XPM.")
MFA_NOT_MANDATORY_AT_PRACTICE = Refusal(RequestRefused, "mfa_not_mandatory",
    "Multi-factor authentication is not mandatory at this practice. Xero requires it.",
    "Make it mandatory first: portal-sync practice set ID --mfa.", field="practice_id")
INTEGRATION_NOT_CONFIGURED = Refusal(Rejected, "integration_not_configured",
    "XPM is not connected for the staff member who requested this.",
    "Connect it under Configure > Integrations, then import again.")
CONSENT_LACKS_SCOPE = Refusal(RequestRefused, "scope_missing",
    "The access allowed at Xero does not include reading XPM clients in the background.",
    "Connect again and allow everything that Xero lists.")
CONSENT_EXPIRED = Refusal(RequestRefused, "consent_expired",
    "This response from Xero has expired, has already been used, or is not yours.", _CONNECT_AGAIN)
CHOICE_EXPIRED = Refusal(RequestRefused, "consent_expired",
    "This choice of practices has expired.", _CONNECT_AGAIN)
ACCESS_DENIED = Refusal(RequestRefused, "access_denied",
    "Access was not allowed at Xero.", _XPM_PERMISSION)
NO_XPM_PRACTICE = Refusal(RequestRefused, "no_xpm_practice",
    "Xero gave the portal no XPM practice. Xero may have said that you have no access to connect any XPM accounts.",
    _XPM_PERMISSION)
UNKNOWN_TENANT = Refusal(RequestRefused, "unknown_tenant",
    "Xero did not give the portal access to this practice.", "Choose one of the practices listed.", field="tenant_id")
XERO_UNAVAILABLE = Refusal(RefusedForNow, "xero_unavailable",
    "We couldn't reach Xero.", "Wait a few minutes. Start connecting again under Configure > Integrations.")
XERO_APP_REFUSED = Refusal(RequestRefused, "xero_app_refused",
    "Xero does not accept this portal's app ({error}).",
    "Operations: check XERO_CLIENT_ID, XERO_CLIENT_SECRET, PUBLIC_URL and the app's scopes; see docs/xpm.md.")
XERO_CONTRACT = Refusal(RequestRefused, "xero_contract",
    "Xero sent a response that we don't understand.", _CONNECT_AGAIN)
CONNECTED_TO_ANOTHER_PRACTICE = Refusal(RequestRefused, "already_connected",
    "You are connected to another XPM practice.", "Disconnect that practice first, under Configure > Integrations.")
STAFF_ALREADY_CONNECTED = Refusal(RequestRefused, "already_connected",
    "This staff member is already connected to XPM.",
    "Disconnect them first, or add the connection for somebody else.", field="staff_id")

# ---- Disconnecting XPM, handing over ----
UNKNOWN_CONNECTION = Refusal(RequestRefused, "unknown_connection",
    "We can't find that connection.", "Check the list of connections.", field="connection_id")
ALREADY_DISCONNECTED = Refusal(RequestRefused, "already_disconnected",
    "This connection is already disconnected.", "There is nothing to disconnect.", field="connection_id")
XPM_NOT_CONNECTED = Refusal(RequestRefused, "already_disconnected",
    "XPM is not connected.", "There is nothing to disconnect.")
UNKNOWN_COLLEAGUE = Refusal(RequestRefused, "unknown_colleague",
    "Nobody with this id works at the practice.", "Check the id of the staff member.", field="to_staff_id")
CONNECTION_ALREADY_THEIRS = Refusal(RequestRefused, "bad_request",
    "The connection already belongs to this staff member.", "Choose somebody else.", field="to_staff_id")
COLLEAGUE_NOT_CONNECTED = Refusal(RequestRefused, "colleague_not_connected",
    "This staff member has no working connection to the same XPM practice.",
    "Ask them to connect XPM under Configure > Integrations first.", field="to_staff_id")
DIRECTORY_NOT_READ = Refusal(RequestRefused, "directory_not_read",
    "We haven't read yet what this staff member can see in XPM.", "Try again in a few minutes.", field="to_staff_id")

# ---- The directory and its schedules ----
UNKNOWN_DIRECTORY = Refusal(RequestRefused, "unknown_directory",
    "There is no directory with this id.", "See `portal-sync directory list`.", field="directory")
DIRECTORY_UNREADABLE = Refusal(Rejected, "not_connected",
    "Nobody has a working connection that can read this directory.",
    "Reconnect XPM under Configure > Integrations; a sync then starts automatically.")
NO_CONNECTION_TO_SYNC = Refusal(RequestRefused, "not_connected",
    "Nobody has a working connection that can read this directory.",
    "Reconnect XPM under Configure > Integrations.", field="directory")
SYNC_RUNNING = Refusal(RequestRefused, "still_running",
    "A sync of this directory is under way. It ends, or is tried again, by {until}.",
    "Wait for it to finish; see `portal-sync schedule list`.", field="schedule")
NOTHING_HELD = Refusal(RequestRefused, "not_held",
    "No removals are waiting for acceptance in this directory.", "There is nothing to do.", field="directory")
CHANGED_MEANWHILE = Refusal(RequestRefused, "changed_meanwhile",
    "A sync has changed the list of records to be removed.", "Check the list again.", field="directory")
UNKNOWN_SCHEDULE = Refusal(RequestRefused, "unknown_schedule",
    "There is no schedule with this name.",
    "See `portal-sync schedule list`. The relay creates one for each directory.", field="schedule")
NOT_A_SYNC = Refusal(RequestRefused, "not_a_sync",
    "This is nightly housekeeping, which the relay runs itself.",
    "To run it now: portal-sync {name}.", field="schedule")
SCHEDULE_NOT_PAUSED = Refusal(RequestRefused, "not_paused",
    "This schedule is not paused.", "See `portal-sync schedule list`.", field="schedule")
STRUCTURE_LENGTH = Refusal(RequestRefused, "bad_request",
    "A business structure must have 1 to {max_length} characters.", "Correct it.", field="structure")
TYPE_DOES_NOT_FIT_KIND = Refusal(RequestRefused, "bad_request",
    "An entity needs one of the nine entity types. An individual has none.",
    "Choose a type for an entity; leave it out for an individual.", field="entity_type")
UNKNOWN_STRUCTURE = Refusal(RequestRefused, "unknown_structure",
    "No meaning has been set for this business structure.", "Check the list.", field="structure")

# ---- Clients, connections of entities, tasks ----
UNKNOWN_CLIENT = Refusal(RequestRefused, "unknown_client",
    "We can't find that client.", "Check the list of clients.")
TOO_MANY_FILTERS = Refusal(RequestRefused, "too_many_filters",
    "You have {most} saved filters, which is the most.", "Remove one, or save under the name of an earlier one.")
CLIENT_ARCHIVED = Refusal(RequestRefused, "client_archived",
    "This client is archived.", "Restore the client first.")
FIELD_CHANGED = Refusal(RequestRefused, "field_changed",
    "The {what} was changed after this form was opened.", "Save again to replace the present value.")
CLIENT_NOT_CONNECTED = Refusal(RequestRefused, "not_connected",
    "The client is not connected to an XPM record.",
    "Connect it under Integration actions > Xero Practice Manager, then import.")
CLIENT_DISCONNECTED = Refusal(Rejected, "not_connected",
    "The client is no longer connected to its XPM record, so nothing was imported.",
    "Connect it under Integration actions > Xero Practice Manager, then import again.")
WRONG_KIND_OF_RECORD = Refusal(RequestRefused, "wrong_kind",
    "This XPM client is not an {kind}.", "Choose another one.", field="xpm_uuid")
ENTITIES_ONLY = Refusal(RequestRefused, "entities_only",
    "This client is an individual, who acts for themselves.",
    "Add connections to entities only, such as companies and trusts.", field="client_id")
HAS_OPEN_TASKS = Refusal(RequestRefused, "has_open_tasks",
    "This person still has open tasks for the entity: {count}.",
    "Complete or withdraw them first.", field="connection_id")
UNKNOWN_TASK = Refusal(RequestRefused, "unknown_task",
    "We can't find that task.", "Check the list of tasks.")
TASK_CLOSED = Refusal(RequestRefused, "task_ended",
    "This task was already {state}.", "Send a new task if there is more to do.")
DUE_DATE_PAST = Refusal(RequestRefused, "bad_request",
    "due_date: this day is in the past.", "Choose today or a later day.", field="due_date")
CONNECTION_FOR_ENTITIES_ONLY = Refusal(RequestRefused, "bad_request",
    "connection_id is for entities only.", "Leave it out.", field="connection_id")
CONNECTION_NEEDED = Refusal(RequestRefused, "connection_needed",
    "An entity has no login of its own, and nobody is connected who could receive this task.",
    "Add a connection to the entity first, such as a director or trustee, then send the task.", field="connection_id")
CHOOSE_CONNECTION = Refusal(RequestRefused, "choose_connection",
    "This entity has {count} connections.", "Choose who receives the task.", field="connection_id")

# ---- Relationships and their review ----
UNKNOWN_ITEM = Refusal(RequestRefused, "unknown_item",
    "We can't find that review item.", "Check the list of items.")
ITEM_CHANGED = Refusal(RequestRefused, "item_changed",
    "XPM has changed this relationship since you opened it.", "Check it again, then decide.")
ITEM_SUPERSEDED = Refusal(RequestRefused, "item_superseded",
    "XPM no longer lists this relationship.", "Check the list of items again.")
ALREADY_REVIEWED = Refusal(RequestRefused, "already_reviewed",
    "This item has already been reviewed.", "Check the list of items again.")
RELATIONSHIP_MISSING = Refusal(RequestRefused, "relationship_missing",
    "A team member needs a relationship.", "Enter one.", field="relationship")
NOT_A_PERSON = Refusal(RequestRefused, "not_a_person",
    "An entity has no account, so it cannot have a co-owner.", "Import without co-ownership.", field="as_co_owner")
CO_OWNER_ALREADY = Refusal(RequestRefused, "co_owner_already",
    "This team member is already a co-owner, with an email address of their own.", "Leave this out.")
UNKNOWN_CO_OWNER = Refusal(RequestRefused, "unknown_co_owner",
    "This client has no such co-owner.", "Choose a co-owner from the client's team.", field="team_member_id")
MEMBER_NOT_LINKED = Refusal(RequestRefused, "not_linked",
    "This team member is not linked to an XPM record.", "There is nothing to unlink.", field="team_member_id")
NOT_UNDONE = Refusal(RequestRefused, "not_undone",
    "This can't be undone any more: somebody has decided again, or something was built on it.",
    "Correct the team on the client's page.")
NO_MEMBER_CHOSEN = Refusal(RequestRefused, "unknown_member",
    "No team member is selected.", "Choose a team member.", field="team_member_id")
UNKNOWN_MEMBER = Refusal(RequestRefused, "unknown_member",
    "This client has no such team member.", "Choose somebody from the client's team.", field="team_member_id")
MEMBER_LINKED = Refusal(RequestRefused, "tied_already",
    "An XPM record can be linked to one team member only, and one of these two is already linked to another.",
    "To undo a wrong link, unlink that team member on the client's page.", field="team_member_id")

# ---- Requesting imports ----
NOTHING_TO_IMPORT = Refusal(RequestRefused, "bad_request",
    "There is nothing to import.", "Choose details, relationships or both.")
BAD_BATCH_SIZE = Refusal(RequestRefused, "bad_batch_size",
    "A batch can have 1 to {max_rows} rows; this one has {count}.", "Split it into several batches.")
MIXED_BATCH = Refusal(RequestRefused, "mixed_batch",
    "All rows of a batch must be for one practice and one staff member.", "Send a separate batch for each.")
UNKNOWN_BATCH = Refusal(RequestRefused, "unknown_batch",
    "We can't find that batch.", "Check the id.")
UNKNOWN_IMPORT = Refusal(RequestRefused, "unknown_import",
    "We can't find that import.", "Check the list of imports.")
UNKNOWN_IMPORT_ID = Refusal(RequestRefused, "unknown_import",
    "There is no import with this id.", "See `portal-sync imports list`.", field="import_id")

# ---- What an import's jobs find out ----
REQUESTER_NOT_ALLOWED = Refusal(Rejected, "not_allowed",
    "Staff with the role Basic cannot import clients.", _ASK_A_COLLEAGUE)
STAFF_LEFT = Refusal(Rejected, "staff_left",
    "The staff member who requested this import no longer works at the practice.",
    "Ask a colleague to request it again.")
ALREADY_LINKED = Refusal(Rejected, "already_linked",
    "This XPM client is already a client of the practice.",
    "Open the existing client. To update it, use Import items from Xero Practice Manager there.", field="xpm_uuid")
ALREADY_BEING_IMPORTED = Refusal(Rejected, "already_being_imported",
    "This XPM client is already being imported.",
    "Wait for that import to finish; see Integration progress.", field="xpm_uuid")
XPM_CLIENT_DELETED = Refusal(Rejected, "xpm_client_deleted",
    "This client is deleted in XPM.", "Restore it in XPM, then import again.", field="xpm_uuid")
XPM_CLIENT_ARCHIVED = Refusal(Rejected, "xpm_client_archived",
    "This client is archived in XPM.", "Restore it in XPM, then import again.", field="xpm_uuid")
WRONG_KIND = Refusal(Rejected, "wrong_kind",
    "In XPM this client is {actual}, not {requested}.", "Import it as {actual}.", field="kind")
NAME_TOO_LONG = Refusal(Rejected, "name_too_long",
    "The client's name in XPM is longer than {max_length} characters.",
    "Enter a shorter name when importing.", field="name")
PERSON_ERASED = Refusal(Rejected, "person_erased",
    "This person's data was erased at their request after the import was requested.",
    "If they become a client again, request a new import.", field="xpm_uuid")

# ---- Correcting and cancelling imports ----
IMPORT_UNDER_WAY = Refusal(RequestRefused, "not_amendable",
    "Only rejected or failed imports can be corrected. This import's state is {state}.",
    "Wait until it closes, or cancel it.", field="import_id")
IMPORT_NOT_FAILED = Refusal(RequestRefused, "not_amendable",
    "Only rejected or failed imports can be corrected. This import's state is {state}.",
    "Request a new import.", field="import_id")
IMPORT_OF_EXISTING_CLIENT = Refusal(RequestRefused, "not_amendable",
    "This import adds items to an existing client. It has no email address to correct.",
    "Correct the import that created the client, or import the items again.", field="import_id")
FIELD_NOT_AMENDABLE = Refusal(RequestRefused, "bad_request",
    "The field {field} cannot be corrected on an import.", "Request a new import.")
NOTHING_TO_AMEND = Refusal(RequestRefused, "bad_request",
    "The import already has these values.", "Give at least one new value.")
CLIENT_EXISTS = Refusal(RequestRefused, "client_exists",
    "The client already exists, so {field} cannot be corrected on the import.",
    "Change client {client_id} in the portal.")
EMAIL_OF_ACTIVE_CLIENT = Refusal(RequestRefused, "login_activated",
    "The client has activated their account, so only they can change their email address.",
    "Ask the client to change it in the portal.", field="email")
IMPORT_CLOSED = Refusal(RequestRefused, "import_closed",
    "This import is already closed: {state}.",
    "What it created stays. Operations: use `portal-sync dead dismiss` to dismiss its dead letters.", field="import_id")
EMAIL_BEING_SENT = Refusal(RequestRefused, "email_being_sent",
    "Only this import's welcome email is left. It is being sent and can't be recalled.",
    "Wait for it to be sent.", field="import_id")

# ---- Welcome emails ----
UNKNOWN_EMAIL = Refusal(RequestRefused, "unknown_email",
    "There is no welcome email with this id.", "See `portal-sync emails list`.", field="email_id")
EMAIL_NOT_NEEDED = Refusal(Rejected, "email_not_wanted",
    "The client no longer needs this welcome email.", "To invite them anyway, use the client list.")
OUTCOME_KNOWN = Refusal(RequestRefused, "not_unknown",
    "The outcome of this email is known: {state}.", "There is nothing to decide.", field="email_id")
CLIENT_ACTIVATED = Refusal(RequestRefused, "login_activated",
    "The client has already activated their account.", "No invitation is needed.", field="client_id")
CO_OWNER_ACTIVATED = Refusal(RequestRefused, "login_activated",
    "The co-owner has already activated their account.", "No invitation is needed.", field="team_member_id")
EMAIL_IN_QUEUE = Refusal(RequestRefused, "email_under_way",
    "This email is already {state}, as version {version}.",
    "If it is not sent, check `portal-sync dead list --kind send_welcome_email`.", field="email_id")
EMAIL_JOB_RUNNING = Refusal(RequestRefused, "email_under_way",
    "The job that sends this email is running.", "Check the email again in a minute.", field="email_id")
EMAIL_CANCELLED = Refusal(RequestRefused, "email_cancelled",
    "This email was cancelled.", "The practice can invite the client.", field="email_id")
EMAIL_STILL_VALID = Refusal(RequestRefused, "email_sent",
    "This email was sent. Its link works until {expires} UTC.", "There is nothing to decide.", field="email_id")
DECIDED_MEANWHILE = Refusal(RequestRefused, "decided_meanwhile",
    "Somebody else has just decided about this email.", "Check it again.", field="email_id")
NO_LOGIN = Refusal(RequestRefused, "no_login",
    "An entity has no login, so there is nobody to invite.", "Add a connection to it.", field="client_id")
INVITE_ON_ITS_WAY = Refusal(RequestRefused, "email_under_way",
    "A welcome email is already on its way.", "Wait until it has been sent.", field="client_id")
INVITED_MEANWHILE = Refusal(RequestRefused, "email_under_way",
    "Somebody else has just sent the invitation, or it has just been used.",
    "Check the client again.", field="client_id")
INVITE_OUTCOME_UNKNOWN = Refusal(RequestRefused, "email_outcome_unknown",
    "We don't know whether the last welcome email arrived.",
    "Our support team is checking. You can ask the client whether it arrived.", field="client_id")

# ---- Webhooks ----
BAD_URL = Refusal(RequestRefused, "bad_request",
    "url: the address {reason}.", "Correct the address.", field="url")
WEBHOOK_URL_PRIVATE = Refusal(RequestRefused, "webhook_private",
    "url: this is not a public address.", "Use a public address.", field="url")
UNKNOWN_WEBHOOK = Refusal(RequestRefused, "unknown_webhook",
    "There is no webhook with this id.", "Check the list of webhooks.", field="webhook_id")
TOO_MANY_WEBHOOKS = Refusal(RequestRefused, "too_many_webhooks",
    "A practice can have up to {max_webhooks} webhooks.", "Remove one that is no longer needed.")
WEBHOOK_GONE = Refusal(Rejected, "webhook_gone",
    "The endpoint answered 410 (gone).", "Remove the webhook, or test it again.")
WEBHOOK_REMOVED = Refusal(Rejected, "webhook_removed",
    "The webhook was removed.", "To receive events again, add it again.")
WEBHOOK_HOST_PRIVATE = Refusal(Rejected, "webhook_private",
    "The endpoint's host does not have a public address.",
    "Move the endpoint to a public address, then test the webhook.")
WEBHOOK_TEST_OPEN = Refusal(RequestRefused, "webhook_test_open",
    "The last test of this webhook has not ended yet.",
    "Wait until its deliveries show what came of it, then send another test.")
WEBHOOK_TEST_FAILED = Refusal(Rejected, "webhook_test_failed",
    "{reason} A test is not retried.", "Fix the endpoint, then send another test.")

# ---- Dead letters, pauses, erasure and restores (operators) ----
UNKNOWN_JOB = Refusal(RequestRefused, "unknown_job",
    "There is no job with this id.", "See `portal-sync jobs list` and `portal-sync dead list`.", field="job_id")
NOT_DEAD = Refusal(RequestRefused, "not_dead",
    "This job is not a dead letter: it is {state}{last_act}.",
    "See `portal-sync jobs explain {job_id}`.", field="job_id")
UNKNOWN_MESSAGE = Refusal(RequestRefused, "unknown_message",
    "There is no such message any more.", "Check the inbox.", field="message_id")
MESSAGE_SEALED = Refusal(RequestRefused, "message_sealed",
    "This message cannot be opened: its key is no longer in TOKEN_KEYS.", "Forget it once its sender was asked.",
    field="message_id")
BAD_QUERY = Refusal(RequestRefused, "bad_query",
    "We couldn't read “{part}”.", "Write it differently: {hint}.", field="q")
DEAD_LETTERS_ONLY = Refusal(RequestRefused, "bad_query",
    "Dead letters are all in the state dead, none is {state}.", "Search for jobs in other states under Jobs.",
    field="q")
LETTERS_CHANGED = Refusal(RequestRefused, "changed_meanwhile",
    "The number of dead letters that match has changed from {shown:,} to {total:,}.",
    "Nothing was started. Check them again, then start again.")
NOTHING_MATCHES = Refusal(RequestRefused, "nothing_matches",
    "No dead letter matches any more{last_act}.", "There is nothing to do.")
UNKNOWN_BULK_ACT = Refusal(RequestRefused, "unknown_bulk_act",
    "There is no bulk act with this id.", "See `portal-sync dead acts`.", field="bulk_id")
BULK_ACT_RUNS = Refusal(RequestRefused, "bulk_act_runs",
    "Another act on the same dead letters is under way{last_act}.", "Wait for its end, or stop it.")
BULK_ACT_NOT_RUNNING = Refusal(RequestRefused, "bulk_act_not_running",
    "This act does not run: it is {state}.", "There is nothing to stop.", field="bulk_id")
BULK_ACT_NOT_STOPPED = Refusal(RequestRefused, "bulk_act_not_stopped",
    "This act cannot be resumed: it is {state}, or another one on the same dead letters runs.",
    "Only an act that was stopped can be resumed, once no other one runs.", field="bulk_id")
RECORD_ALREADY_IMPORTED = Refusal(RequestRefused, "done_elsewhere",
    "This XPM record has been linked to client {client_id} since {linked_at}{by_import}.", _DISMISS, field="job_id")
RECORD_BEING_IMPORTED = Refusal(RequestRefused, "under_way_elsewhere",
    "Import {import_id} imports the same XPM record; it is {state}.",
    "Wait for it to close; requeue this one only if that one fails.", field="job_id")
REPLACED_BY_LATER_JOB = Refusal(RequestRefused, "done_elsewhere",
    "Job {later_id} of the same import replaced this one; it is {state}.", _DISMISS, field="job_id")
OUTCOME_UNKNOWN = Refusal(RequestRefused, "outcome_unknown",
    "We don't know whether this was done.", "Find out, then dismiss this dead letter.", field="job_id")
WELCOME_EMAIL_GONE = Refusal(RequestRefused, "done_elsewhere",
    "There is no longer a welcome email to send.", _DISMISS, field="job_id")
ACTIVATED_ALREADY = Refusal(RequestRefused, "done_elsewhere",
    "The client activated their account at {activated_at}; no invitation is needed.", _DISMISS, field="job_id")
EMAIL_ALREADY_SENT = Refusal(RequestRefused, "done_elsewhere",
    "Email {email_id} was sent as version {version} at {sent_at}.", _DISMISS, field="job_id")
EMAIL_CLOSED = Refusal(RequestRefused, "done_elsewhere",
    "Email {email_id} is {state}.", _DISMISS, field="job_id")
EMAIL_OUTCOME_UNKNOWN = Refusal(RequestRefused, "outcome_unknown",
    "We don't know whether email {email_id} was sent.",
    "Ask the client, then use `portal-sync emails resend {email_id}` or `… mark-delivered`.", field="job_id")
NOTICE_GONE = Refusal(RequestRefused, "done_elsewhere",
    "There is no longer a reconnect email to send.", _DISMISS, field="job_id")
NOTICE_NOT_NEEDED = Refusal(RequestRefused, "done_elsewhere",
    "Connection {connection_id} is now {state}, so no reconnect email is needed.", _DISMISS, field="job_id")
NOTICE_CLOSED = Refusal(RequestRefused, "done_elsewhere",
    "The reconnect email is {state}.", _DISMISS, field="job_id")
NOTICE_OUTCOME_UNKNOWN = Refusal(RequestRefused, "outcome_unknown",
    "We don't know whether the reconnect email was sent.",
    "Ask the staff member whether they know that XPM must be reconnected, then dismiss this dead letter.", field="job_id")
UNKNOWN_KIND = Refusal(RequestRefused, "unknown_kind",
    "There is no kind of job with this name.", "Kinds: {kinds}.", field="kind")
ALREADY_PAUSED = Refusal(RequestRefused, "paused_already",
    "{scope} is already paused, by {who}{since} ({reason}).", "Nothing was changed.", field="scope")
PAUSE_JUST_LIFTED = Refusal(RequestRefused, "paused_already",
    "Somebody has just resumed {scope}.", "Try again.", field="scope")
NOT_PAUSED = Refusal(RequestRefused, "not_paused",
    "There is no pause of {scope}.", "See `portal-sync pauses list`.", field="scope")
UNKNOWN_PERSON = Refusal(RequestRefused, "unknown_person",
    "The portal holds no data about this person.",
    "Check the ids. It holds no data about a person who was erased earlier.", field="person")
IMPORT_OPEN = Refusal(RequestRefused, "import_open",
    "Import {import_id} of this person is open and would bring back the erased data.",
    "Cancel it first: portal-sync imports cancel {import_id}.", field="import")
REQUEST_WAITING = Refusal(RequestRefused, "request_waiting",
    "A request for this person is waiting on the queue import_requests.",
    "Let a worker accept it, cancel its import, then erase.", field="import")
RESTORE_UNDER_WAY = Refusal(RequestRefused, "restore_under_way",
    "A restore is under way.", "Finish it first: portal-sync restore finish.")
NO_RESTORE = Refusal(RequestRefused, "no_restore",
    "No restore is under way.", "Begin one: portal-sync restore begin.")
# fmt: on
