"""What reconcile can find, in words for an operator, and what becomes of each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Became(StrEnum):
    """What was done about a finding."""

    REPAIRED = "repaired"
    #: A dry run: it would be.
    REPAIRABLE = "repairable"
    NEEDS_PERSON = "needs a person"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be. `subject` is an id, or a name of ours; never a person's."""

    code: str
    subject: str
    became: Became
    #: What was done, where that differs from finding to finding.
    done: str | None = None


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a code stands for: what was found, and what its reader can do where it was not repaired."""

    words: str
    remedy: str


MEANINGS: dict[str, Meaning] = {
    "import_without_job": Meaning("Open imports that nothing carries on.", "Look at one: portal-sync imports show ID."),
    "job_overdue": Meaning(
        "Jobs due for over a minute that nobody was told of.", "Start the relay, and Redis if it is away."
    ),
    "job_not_taken": Meaning(
        "Jobs due for over a minute that no worker takes.", "Start a worker for their lane (see the Procfile)."
    ),
    "lease_expired": Meaning("Running jobs whose worker is gone.", "Start the relay; it takes them back."),
    "no_relay": Meaning(
        "No relay leads: batches, retries and the nightly work stand still.", "Start portal-sync relay."
    ),
    "redis_away": Meaning(
        "Redis does not answer; nothing is lost, and nothing starts.", "Bring Redis back, then reconcile again."
    ),
    "message_without_job": Meaning(
        "Messages in Redis whose job is finished or unknown.", "Bring Redis back, then reconcile again."
    ),
    "receipt_without_import": Meaning(
        "Requests that were accepted and are not in the record: an older backup was put back.",
        "Have their senders send them again, under the same request ids.",
    ),
    "email_abandoned": Meaning(
        "Emails that were being sent when their job ended: marked unknown.",
        "Ask the client; then portal-sync emails resend, or mark-delivered.",
    ),
    "consent_expired": Meaning("Consents at Xero that nobody came back for.", ""),
    "login_unused": Meaning("Xero tokens that no connection uses.", ""),
    "owner_left": Meaning(
        "Connections to XPM whose owner has left, with clients that hang on them.",
        "Move them to a colleague: portal-sync connection reassign CONNECTION --to STAFF.",
    ),
    "link_gone": Meaning(
        "Clients whose XPM record is gone.",
        "Tell the practice: restore the record in XPM, or disconnect the client from it.",
    ),
}
