"""A practice under construction: one seeded random source, and the small makers that the whole generator shares.

The modules that use it decide who lives where and who owns what.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

from xpm.records import Address
from xpm.simulator.practice import words
from xpm.simulator.practice.model import Client, Group, Relationship

T = TypeVar("T")

TODAY = date(2026, 6, 30)
"""The current day of every made-up practice, so that a seed gives the same practice in any year."""

FULL_VARIETY = 40
"""From this many clients on, every notable category has at least one client."""


@dataclass(slots=True)
class Tie:
    """A relationship before it becomes rows: `label` is written on `holder`, `back` on `other`; `None` writes no row."""

    holder: Client
    label: str | None
    other: Client
    back: str | None
    shares: int | None = None
    percentage: Decimal | None = None
    start: date | None = None
    end: date | None = None


@dataclass(slots=True)
class Household:
    """People who live together: one or two adults and their children, some of them grown up."""

    adults: list[Client]
    children: list[Client] = field(default_factory=list)

    @property
    def people(self) -> list[Client]:
        return [*self.adults, *self.children]


class Draft:
    """The practice so far, and its random source."""

    def __init__(self, clients: int, seed: int) -> None:
        self.size = clients
        self.rng = random.Random(f"practice:{clients}:{seed}")  # noqa: S311 - made-up data must repeat for a seed
        self.people: list[Client] = []
        self.entities: list[Client] = []
        self.households: list[Household] = []
        self.ties: list[Tie] = []
        self.groups: list[Group] = []
        self.emails: set[str] = set()
        self.reserved: set[UUID] = set()
        """Clients that already represent a category and must not be archived, deleted or given another one."""

    def quota(self, share: float) -> int:
        """How many clients a share of the practice is: at least one once the practice is big enough to show all."""
        wanted = round(self.size * share)
        return max(1, wanted) if self.size >= FULL_VARIETY else wanted

    def take(self, pool: Iterable[Client], share: float) -> list[Client]:
        """Pick and reserve a share of the practice from those clients of a pool that represent no category yet."""
        free = [client for client in pool if client.uuid not in self.reserved]
        taken = self.rng.sample(free, min(self.quota(share), len(free)))
        self.reserved.update(client.uuid for client in taken)
        return taken

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def pick(self, options: Sequence[T]) -> T:
        return self.rng.choice(options)

    def uuid(self) -> UUID:
        return UUID(int=self.rng.getrandbits(128), version=4)

    def day(self, earliest_years_ago: int, latest_years_ago: int = 0) -> date:
        return TODAY - timedelta(days=self.rng.randint(latest_years_ago * 365, earliest_years_ago * 365))

    def client(self, name: str, structure: str | None) -> Client:
        """A new client with the fields that every client has: code, address, phone, time of last change."""
        modified = datetime(TODAY.year, TODAY.month, TODAY.day, tzinfo=UTC)
        suburb = self.pick(words.SUBURBS)
        client = Client(
            uuid=self.uuid(),
            name=name,
            business_structure=structure,
            client_code=f"{ascii_slug(name)[:4].upper() or 'X'}{self.rng.randint(1, 9999):04d}",
            modified=modified - timedelta(seconds=self.rng.randint(0, 700 * 86_400)),
            phone=self._phone(suburb[3]),
            address=self._address(suburb),
        )
        if self.chance(0.4):
            client.postal_address = self._post_box(suburb) if self.chance(0.5) else client.address
        return client

    def email(self, local: str, domain: str | None = None) -> str:
        """A new address that no other client of the draft has in any letter case."""
        stem = ascii_slug(local, keep=".") or "client"
        domain = domain or self.pick(words.EMAIL_DOMAINS)
        address, number = f"{stem}@{domain}", 1
        while address in self.emails:
            number += 1
            address = f"{stem}{number}@{domain}"
        self.emails.add(address)
        return address

    def _address(self, suburb: tuple[str, str, str, str]) -> Address:
        if self.chance(0.04):
            return Address()
        street = f"{self.rng.randint(1, 480)} {self.pick(words.STREETS)} {self.pick(words.STREET_KINDS)}"
        if self.chance(0.2):  # Lines after the first are indented on the real wire too.
            street = f"{self.pick(words.BUILDINGS)}\n         {street}"
        return Address(street, suburb[0], suburb[1], suburb[2], "Australia" if self.chance(0.7) else None)

    def _post_box(self, suburb: tuple[str, str, str, str]) -> Address:
        return Address(f"PO Box {self.rng.randint(1, 9999)}", suburb[0], suburb[1], suburb[2], "Australia")

    def _phone(self, area: str) -> str | None:
        kind, tail = self.rng.random(), self.rng.randint(0, 999)
        if kind < 0.1:
            return None
        if kind < 0.4:
            return f"+61 491 570 {tail:03d}"
        if kind < 0.7:
            return f"0491570{tail:03d}"
        return f"({area}) 5550 {tail:04d}"


def ascii_slug(text: str, keep: str = "") -> str:
    """Lower-case ASCII letters and digits of a text, and the characters to keep; empty if it has none."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(f"[^a-z0-9{re.escape(keep)}]", "", plain).strip(".")


def rows_of(draft: Draft, tie: Tie) -> None:
    """Add a tie's rows to its sides. Half the ties have one uuid for both sides: which of the two XPM does is unknown."""
    first = draft.uuid()
    second = first if draft.chance(0.5) else draft.uuid()
    for uuid, owner, label, related in (
        (first, tie.holder, tie.label, tie.other),
        (second, tie.other, tie.back, tie.holder),
    ):
        if label is not None:
            owner.relationships.append(
                Relationship(uuid, label, related.uuid, related.name, tie.shares, tie.percentage, tie.start, tie.end)
            )
