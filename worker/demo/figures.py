"""What a demo came to, in numbers: from the record, from the simulator's counters and from the caught mail."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from portal_db import imports, progress
from portal_db.states import ClientKind, ImportState, JobState
from worker.embedded.mail import Delivery
from worker.embedded.shape import EmbeddedShape


@dataclass(frozen=True)
class Figures:
    """The keys of `portal-sync demo --json`.

    imports: by state. welcome_emails: delivered, as the mail catcher has them. rejections: by code. xpm_calls, xpm_429:
    asked of and refused by the simulator in this run. dead: jobs that wait for operations. unfinished: imports still
    open.
    """

    imports: dict[str, int]
    clients_created: int
    entities_created: int
    details_imported: int
    relationships_found: int
    welcome_emails: int
    rejections: dict[str, int]
    xpm_calls: int
    xpm_429: int
    dead: int
    unfinished: int
    seconds: float


def deliveries_of(shape: EmbeddedShape, batch_id: UUID) -> list[Delivery]:
    """The welcome emails to the batch's clients that were delivered, one for each time it was."""
    with shape.database.read() as tx:
        ours = progress.welcome_message_ids(tx, progress.of_batch(batch_id))
    return [mail for mail in shape.mailbox.deliveries() if mail.message_id.strip("<>").partition("@")[0] in ours]


def count(shape: EmbeddedShape, batch_id: UUID, seconds: float, counters: dict[str, Any]) -> Figures:
    """Count everything of one batch.

    Args:
        counters: the simulator's, as it tells them.
    """
    which = progress.of_batch(batch_id)
    with shape.database.read() as tx:
        states = progress.by_state(tx, which)
        jobs = progress.jobs_by_state(tx, which)
        details = progress.jobs_by_state(tx, which, kind="import_details")
        created = progress.clients_created(tx, which)
        relationships = progress.relationships_found(tx, which)
        rejections = Counter(
            row.outcome_code or "" for row in imports.of_batch(tx, batch_id) if row.state is ImportState.REJECTED
        )
    return Figures(
        imports={state.value: states[state] for state in ImportState if state in states},
        clients_created=created.get(ClientKind.INDIVIDUAL, 0),
        entities_created=created.get(ClientKind.ENTITY, 0),
        details_imported=details.get(JobState.SUCCEEDED, 0),
        relationships_found=relationships,
        welcome_emails=len(deliveries_of(shape, batch_id)),
        rejections=dict(sorted(rejections.items())),
        xpm_calls=counters["total_calls"],
        xpm_429=counters["statuses"].get("429", 0),
        dead=jobs.get(JobState.DEAD, 0),
        unfinished=sum(number for state, number in states.items() if state.is_open),
        seconds=round(seconds, 1),
    )
