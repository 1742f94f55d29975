"""Whom somebody has chosen in XPM so far, and how they are to come in: all of it is in the form, and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from handlers import xpm_search
from handlers.errors import JobError
from handlers.requests import ImportWishes
from handlers.xpm_search import Found
from portal_db import recent_actions
from portal_db.states import ClientKind, ClientType, Subscription
from web.pages.forms import Posted
from web.pages.visitor import Visitor
from web.pages.windows import CHOICES
from web.portal import Portal

SHORTEST = 2
#: Chosen by ticks; a CSV takes more.
MOST = 500
OPTIONS = {name: CHOICES[name] for name in ("client_types", "subscriptions")}


@dataclass(frozen=True)
class Chosen:
    """A record that was ticked. Its name is what the page showed."""

    xpm_uuid: UUID
    kind: ClientKind
    name: str

    @property
    def packed(self) -> str:
        """As its tick box carries it."""
        return f"{self.xpm_uuid} {self.kind.value} {self.name}"

    @classmethod
    def parse(cls, packed: str) -> Chosen | None:
        uuid, _, rest = packed.partition(" ")
        kind, _, name = rest.partition(" ")
        try:
            return cls(UUID(uuid), ClientKind(kind), name[:500])
        except ValueError:
            return None

    @classmethod
    def of(cls, found: Found) -> Chosen:
        return cls(found.record.uuid, found.suggested, found.record.name)


@dataclass(frozen=True)
class Choice:
    """What is chosen, what is searched for next, and what holds for all individuals of it."""

    q: str
    chosen: tuple[Chosen, ...]
    client_type: str
    subscription: str
    send_welcome_email: str

    @classmethod
    def new(cls, q: str) -> Choice:
        return cls(q.strip(), (), ClientType.PERSONAL, Subscription.STARTER, "no")

    @classmethod
    def of(cls, posted: Posted) -> Choice:
        ticked = (Chosen.parse(value) for value in posted.form.getlist("row") if isinstance(value, str))
        chosen = {each.xpm_uuid: each for each in ticked if each is not None}
        return cls(
            posted.text("q")[:200],
            tuple(chosen.values())[:MOST],
            ClientType.BUSINESS if posted.text("client_type") == ClientType.BUSINESS else ClientType.PERSONAL,
            Subscription.PRO if posted.text("subscription") == Subscription.PRO else Subscription.STARTER,
            "yes" if posted.is_ticked("send_welcome_email") else "no",
        )

    def has(self, found: Found) -> bool:
        return any(each.xpm_uuid == found.record.uuid for each in self.chosen)

    def wishes(self) -> list[ImportWishes]:
        """The rows, in the order in which they were ticked."""
        of_individuals = {
            "client_type": self.client_type,
            "subscription": self.subscription,
            "send_welcome_email": self.send_welcome_email == "yes",
        }
        return [
            ImportWishes.model_validate(
                {
                    "xpm_uuid": each.xpm_uuid,
                    "kind": each.kind,
                    **(of_individuals if each.kind is ClientKind.INDIVIDUAL else {}),
                }
            )
            for each in self.chosen
        ]


def search(portal: Portal, visitor: Visitor, choice: Choice) -> tuple[list[Found] | None, JobError | None]:
    """What XPM has of the name that is searched for; or why it cannot say."""
    if visitor.xpm.trouble is not None:
        return None, visitor.xpm.trouble
    if len(choice.q) < SHORTEST:
        return None, None
    try:
        return xpm_search.in_xpm(portal.services, visitor.caller, choice.q), None
    except JobError as trouble:
        return None, trouble


def names(portal: Portal, visitor: Visitor, rows: Sequence[ImportWishes]) -> dict[UUID, str]:
    """What XPM calls the rows' records, as far as anybody at the practice has seen them."""
    with portal.database.read() as tx:
        return recent_actions.names_in_xpm(tx, visitor.caller.practice_id, [row.xpm_uuid for row in rows])
