"""Makes the entities of a practice: companies, trusts, partnerships, super funds and rarer ones, each with an owner.

An owner is a household, whose people `relations` then ties to the entity.
"""

from __future__ import annotations

from dataclasses import dataclass

from xpm.simulator.practice import words
from xpm.simulator.practice.draft import Draft, Household, ascii_slug
from xpm.simulator.practice.model import Client

_RETURN_TYPES = {"Company": "Company", "Trustee Company": "Company", "Partnership": "Partnership"}
_FUND = "Self Managed Superannuation Fund"


@dataclass(slots=True)
class Owned:
    """An entity and the household that owns it, if the practice has people."""

    entity: Client
    owner: Household | None


def make_entities(draft: Draft, counts: dict[str, int], unstructured: int) -> list[Owned]:
    """Make entities of each structure, and some without one; those get no owner, because XPM would allow no ties."""
    made = []
    for structure, count in counts.items():
        for _ in range(count):
            owner = draft.pick(draft.households) if draft.households else None
            surname = (owner.adults[0].last_name if owner else None) or draft.pick(words.SURNAMES)
            entity = draft.client(_name(draft, structure, surname), structure)
            if draft.chance(0.7):
                entity.return_type = _return_type(structure)
            entity.email = _email(draft, entity, owner)
            made.append(Owned(entity, owner))
    for _ in range(unstructured):
        made.append(Owned(draft.client(_name(draft, "Company", draft.pick(words.SURNAMES)), None), None))
    draft.entities += [owned.entity for owned in made]
    return made


def _return_type(structure: str) -> str | None:
    if structure.endswith("Trust"):
        return "Trust"
    return "Super Fund" if structure == _FUND else _RETURN_TYPES.get(structure)


def _email(draft: Draft, entity: Client, owner: Household | None) -> str | None:
    """Often the owner's address, sometimes none: an entity needs no login."""
    kind = draft.rng.random()
    if owner and kind < 0.35:
        return owner.adults[0].email
    return draft.email("accounts", f"{ascii_slug(entity.name)[:24] or 'entity'}.example") if kind < 0.8 else None


def _name(draft: Draft, structure: str, surname: str) -> str:
    fancy, trade = draft.pick(words.FANCIES), draft.pick(words.TRADES)
    match structure:
        case "Company":
            return draft.pick((f"{fancy} {trade} Pty Ltd", f"{surname} {trade} Pty Ltd", f"{fancy} Holdings Pty Ltd"))
        case "Trustee Company":
            return f"{surname} Nominees Pty Ltd"
        case "Unit Trust":
            return f"{fancy} {trade} Unit Trust"
        case "Partnership":
            return f"{surname} & {draft.pick(words.SURNAMES)}" if draft.chance(0.5) else f"{fancy} {trade} Partnership"
        case "Incorporated Association":
            return f"{draft.pick(words.SUBURBS)[0]} {draft.pick(words.CLUBS)} Inc"
        case "Deceased Estate":
            return f"Estate of the late {draft.pick(words.FEMALE + words.MALE)} {surname}"
        case "Self Managed Superannuation Fund":
            return draft.pick((f"{surname} Super Fund", f"{surname} Family SMSF", f"{fancy} Superannuation Fund"))
        case _:
            return draft.pick((f"{surname} Family Trust", f"The {surname} {fancy} Trust", f"{fancy} Investment Trust"))
