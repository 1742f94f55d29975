"""Messages that a page shows once something was done. The address names one by its code; no text comes from outside."""

from __future__ import annotations

from typing import NamedTuple

from fastapi import Request


class Said(NamedTuple):
    """A message. `tone` is `good`, `note` or `bad`."""

    text: str
    tone: str = "good"


MESSAGES: dict[str, Said] = {
    "signed-out": Said("You have signed out.", "note"),
    "sign-in": Said("Please sign in to go on.", "note"),
    "password-set": Said("Your password is set. Sign in with it."),
    "mfa-mandated": Said("MFA is mandatory for all staff and clients now. You can set up Xero Practice Manager."),
    "xpm-connected": Said("Xero Practice Manager is connected."),
    "xpm-disconnected": Said("Xero Practice Manager is disconnected. What was imported stays.", "note"),
    "review-imported": Said("Imported: it is in the Team now. No invitation was sent."),
    "review-linked": Said("Linked: the team member is kept up to date from XPM now."),
    "review-ignored": Said("Ignored. It is offered again with the next import.", "note"),
    "review-none": Said("Nothing was ticked.", "note"),
    "review-late": Said("A colleague has just decided about this item. Here is what is left.", "note"),
    "review-some-late": Said("Ignored, apart from items that a colleague has just decided about.", "note"),
    "review-changed": Said("XPM has told something new about this item since. Look at it again, then decide.", "note"),
    "connected": Said("The client is connected to Xero Practice Manager. You can now import items."),
    "disconnected": Said("The client is disconnected from Xero Practice Manager. What was imported stays.", "note"),
    "invited": Said("The invitation is on its way."),
    "task-sent": Said("The task is sent."),
    "connection-added": Said("The connection is added."),
}


def of(request: Request) -> Said | None:
    """The message that the address asks for."""
    return MESSAGES.get(request.query_params.get("said", ""))
