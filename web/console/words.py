"""The console's own words: messages after forms, remedies that lead to its pages instead of to commands, waits and acts."""

from __future__ import annotations

from handlers.errors import RequestRefused
from handlers.jobs.explain import Suggestion
from web.http.problems import fault_of, status_of
from web.pages.frame.forms import FormErrors
from web.pages.frame.messages import Message

#: By code; the address names one, no text is taken from it.
MESSAGES: dict[str, Message] = {
    "sign-in": Message("Please sign in to continue.", "note"),
    "signed-out": Message("You have signed out.", "note"),
    "password-set": Message("Your password is set. Sign in with it."),
    "requeued": Message("Requeued. It runs again, with fresh attempts."),
    "dismissed": Message("Dismissed. Its work will not be done.", "note"),
    "bulk-started": Message("Started. The relay carries it out."),
    "bulk-stopped": Message("Stopped. The dead letters it has not reached stay as they are.", "note"),
    "bulk-resumed": Message("It goes on where it was."),
    "amended": Message("Corrected. The import is validated again."),
    "cancelled": Message("Cancelled. What was created already stays.", "note"),
    "paused": Message("Paused. What runs finishes; nothing else of it starts until it is resumed.", "note"),
    "resumed": Message("Resumed."),
    "email-resent": Message("One more email is on its way, with a new link."),
    "email-delivered": Message("Counted as delivered."),
    "sync-begun": Message("The sync has begun."),
    "accepted-missing": Message("Accepted: the missing records are gone."),
    "forgotten": Message("The message is deleted.", "note"),
    "none-chosen": Message("Nothing is selected.", "note"),
}

#: What to do instead of what the command line is told, by a refusal's code.
_REMEDIES = {
    "unknown_job": "Finished jobs are deleted after some time. Search for it among the jobs.",
    "unknown_import": "Search for it among the imports.",
    "unknown_bulk_act": "See the latest acts below the dead letters.",
    "not_dead": "Reload the page to see what it does now.",
    "email_outcome_unknown": "Ask the client whether the email arrived, then decide in the inbox.",
    "not_paused": "Reload the page.",
    "unknown_schedule": "See the list of schedules.",
    "still_running": "Wait for it to finish.",
    "nothing_matches": "See what is left below the dead letters.",
}


def errors_of(refusal: RequestRefused, fields: tuple[str, ...] = ()) -> FormErrors:
    """A refusal at the field it is about, in the console's own words.

    Args:
        fields: the ids of the form's fields; where a page has several forms, an id ends with the field's name: `all-reason`.

    Raises:
        RequestRefused: the same, where what the form is about does not exist.
    """
    if status_of(refusal) == 404:
        raise refusal
    fault = fault_of(refusal)
    fault.remedy = remedy_of(refusal.code, fault.remedy)
    fault.field = next((each for each in fields if each.rpartition("-")[2] == fault.field), None)
    return FormErrors.of_fault(fault, fields, status_of(refusal))


def remedy_of(code: str, remedy: str | None) -> str | None:
    """A remedy without commands, which operators at the console cannot type."""
    if code in _REMEDIES:
        return _REMEDIES[code]
    return None if remedy and "portal-sync" in remedy else remedy


#: What a page says of each thing that an operator can do about a job.
_SUGGESTIONS = {
    Suggestion.REQUEUE: "Requeue it to run it again.",
    Suggestion.DISMISS: "Dismiss it if its work is not to be done.",
    Suggestion.AMEND: "Correct its import if what was requested is wrong.",
    Suggestion.SEE_PAUSES: "Resume it where it is paused.",
    Suggestion.START_RELAY: "Start a relay on a server of the portal.",
}


def suggestion(found: Suggestion) -> str:
    return _SUGGESTIONS[found]


#: What jobs in a condition wait for.
WAITS = {
    "paused": "paused",
    "quota": "XPM's quota",
    "connection": "a reconnect to XPM",
    "back_off": "their next attempt",
    "in_turn": "their turn after a requeue",
    "deferred": "something that passes",
}


def waits(condition: str) -> str:
    return WAITS.get(condition, condition)
