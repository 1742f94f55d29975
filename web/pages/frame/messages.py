"""Messages that a page shows after a form. The address names one by its code; no text is taken from the address."""

from __future__ import annotations

from typing import NamedTuple

from fastapi import Request


class Message(NamedTuple):
    """A message. `tone` is `good`, `note` or `bad`."""

    text: str
    tone: str = "good"


#: The message on the page that shows what was typed before the session ended, and on one that does not.
KEPT, NOT_KEPT = "kept", "not-kept"
#: The message on the page with the form of an act that asked first who it is.
CONFIRMED = "confirmed-act"
MESSAGES: dict[str, Message] = {
    KEPT: Message(
        "You were signed out, so nothing was sent. What you typed is still here: check it, then send it.", "note"
    ),
    NOT_KEPT: Message(
        "You were signed out, so nothing was sent, and what you typed was not kept. Do it again.", "note"
    ),
    "signed-out": Message("You have signed out.", "note"),
    "sign-in": Message("Please sign in to continue.", "note"),
    "reset-requested": Message(
        "If somebody signs in with this email address, an email with a link to set a new password is on its way. The link"
        " works for an hour.",
        "note",
    ),
    "password-changed": Message("Your password is changed. You have been signed out everywhere else."),
    "session-ended": Message("The session has ended."),
    "sessions-ended": Message("You have been signed out everywhere else."),
    "password-set": Message("Your password is set. Sign in with it."),
    "browsers-forgotten": Message("Every browser is asked for a code at the next sign-in.", "note"),
    "mfa-reset": Message(
        "Their multi-factor authentication is reset. Where it is mandatory, they set it up again at their next sign-in.",
        "note",
    ),
    "member-signed-out": Message("They are signed out everywhere.", "note"),
    "confirmed-export": Message("Confirmed. Export again: you are not asked for the next 10 minutes.", "note"),
    CONFIRMED: Message("Confirmed. Do it again: you are not asked for the next 10 minutes.", "note"),
    "saved": Message("Saved."),
    "staff-invited": Message("Added. The invitation is being sent."),
    "staff-invited-again": Message("Another invitation is being sent."),
    "staff-left": Message("They are signed out and can't sign in any more. What they did stays.", "note"),
    "handed-over": Message("Handed over."),
    "structure-set": Message("Saved. It counts from now on; existing clients don't change."),
    "key-revoked": Message("The key has stopped working.", "note"),
    "webhook-tested": Message("A test is being sent. Reload the page to see the answer."),
    "webhook-disabled": Message("Disabled. Nothing is sent until a test is accepted.", "note"),
    "webhook-removed": Message("Removed. Deliveries that were waiting are not sent.", "note"),
    "client-archived": Message("Archived. You find the client under Show: Archived.", "note"),
    "client-restored": Message("Restored."),
    "filter-saved": Message("The filter is saved, for you."),
    "filter-removed": Message("The saved filter is removed.", "note"),
    "assigned": Message("Assigned."),
    "unassigned": Message("No longer assigned.", "note"),
    "passkey-added": Message("The passkey is added. You can sign in with it."),
    "passkey-removed": Message("The passkey is removed.", "note"),
    "mfa-off": Message("Multi-factor authentication is off for your account.", "note"),
    "mfa-mandated": Message("MFA is now mandatory for all staff and clients. You can set up Xero Practice Manager."),
    "xpm-connected": Message("Xero Practice Manager is connected."),
    "xpm-disconnected": Message("Xero Practice Manager is disconnected. Everything already imported stays.", "note"),
    "review-imported": Message("Imported and added to the team. No invitation was sent."),
    "review-linked": Message("Linked. This team member is now synced with XPM."),
    "review-ignored": Message("Ignored. It will reappear at the next import.", "note"),
    "review-none": Message("No items selected.", "note"),
    "review-some-not-imported": Message("Imported, except for items that had changed or been reviewed.", "note"),
    "review-undone": Message("Undone. The item awaits review again.", "note"),
    "review-not-undone": Message(
        "This can't be undone any more: somebody has decided again, or something was built on it.", "note"
    ),
    "member-unlinked": Message("Unlinked from XPM. Its relationships await review again.", "note"),
    "review-late": Message("A colleague has just reviewed this item. The remaining items are below.", "note"),
    "review-own": Message("You have already reviewed this item. The remaining items are below.", "note"),
    "review-gone": Message("XPM no longer lists this relationship. The remaining items are below.", "note"),
    "review-some-late": Message("Ignored, except for items that had already been reviewed.", "note"),
    "review-changed": Message("This item has changed in XPM. Check it again before you decide.", "note"),
    "connected": Message("The client is connected to Xero Practice Manager. You can now import items."),
    "disconnected": Message(
        "The client is disconnected from Xero Practice Manager. Everything already imported stays.", "note"
    ),
    "invited": Message("The invitation is being sent."),
    "task-completed": Message("Task completed. Your accountant can see it."),
    "account-active": Message("Your account is active. Welcome."),
    "task-sent": Message("Task sent."),
    "connection-added": Message("Connection added."),
}


def of(request: Request) -> Message | None:
    """The message that the address names."""
    return MESSAGES.get(request.query_params.get("said", ""))
