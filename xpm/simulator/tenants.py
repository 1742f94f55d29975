"""A practice as a Xero tenant."""

from __future__ import annotations

from dataclasses import dataclass, field

from xpm.simulator.formats import ClientEncoder
from xpm.simulator.practice.model import Practice

BASE_PATH = "/practicemanager/3.1"


@dataclass(slots=True)
class Tenant:
    """A practice as Xero knows it. `name` is its name in `/connections`, which is often missing for XPM."""

    tenant_id: str
    practice: Practice
    name: str | None = None
    encoder: ClientEncoder = field(init=False)

    def __post_init__(self) -> None:
        self.encoder = ClientEncoder(self.practice)
