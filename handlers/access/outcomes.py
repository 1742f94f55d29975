"""One act on many records: each in its own transaction, with the refusals collected."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from uuid import UUID

from handlers.errors import RequestRefused

T = TypeVar("T")


@dataclass
class Outcomes(Generic[T]):
    """What was done to each of many records, and why it was refused for the others."""

    done: list[T] = field(default_factory=list)
    refused: list[tuple[UUID, RequestRefused]] = field(default_factory=list)


def for_each(ids: Iterable[UUID], act_on: Callable[[UUID, int], T]) -> Outcomes[T]:
    """Act on each record in turn. Short transactions let workers through in between.

    Args:
        act_on: takes an id and the number of records done so far.
    """
    outcomes: Outcomes[T] = Outcomes()
    for record_id in ids:
        try:
            outcomes.done.append(act_on(record_id, len(outcomes.done)))
        except RequestRefused as refusal:
            outcomes.refused.append((record_id, refusal))
    return outcomes
