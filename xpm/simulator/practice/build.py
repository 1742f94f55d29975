"""Builds a made-up but believable Australian accounting practice of any size from a seed.

This module holds the mix of structures and the order of the steps; each step has its own module.
"""

from __future__ import annotations

from xpm.simulator.practice import words
from xpm.simulator.practice.draft import Draft, Household, rows_of
from xpm.simulator.practice.entities import make_entities
from xpm.simulator.practice.model import Group, Practice, Staff
from xpm.simulator.practice.oddities import odd_emails, odd_names, shelve
from xpm.simulator.practice.people import make_people
from xpm.simulator.practice.relations import add_strangers, spoil_ties, tie_entities, tie_households

ENTITY_SHARES = {
    "Company": 0.18,
    "Trustee Company": 0.015,
    "Trust": 0.05,
    "Family Trust": 0.025,
    "Discretionary Trust": 0.025,
    "Unit Trust": 0.02,
    "Partnership": 0.04,
    "Self Managed Superannuation Fund": 0.04,
    "Incorporated Association": 0.008,
    "Deceased Estate": 0.008,
}
"""Business structures of entities, and what share of the practice each has. The names are free text in XPM."""

SOLE_TRADER_SHARE = 0.08
UNSTRUCTURED_SHARE = 0.008


def build_practice(clients: int, seed: int) -> Practice:
    """Make a practice of exactly `clients` client records, always the same for the same two arguments.

    With 40 clients or more, each notable category (see `oddities` and `relations`) occurs at least once.

    Raises:
        ValueError: for fewer than one client.
    """
    if clients < 1:
        raise ValueError(f"A practice needs at least one client, not {clients}.")
    draft = Draft(clients, seed)
    counts = {structure: draft.quota(share) for structure, share in ENTITY_SHARES.items()}
    unstructured = draft.quota(UNSTRUCTURED_SHARE)  # Once for people, once for entities.
    people = clients - sum(counts.values()) - 2 * unstructured
    make_people(draft, people, draft.quota(SOLE_TRADER_SHARE), unstructured)
    owned = make_entities(draft, counts, unstructured)
    odd_emails(draft)
    odd_names(draft)
    tie_households(draft)
    tie_entities(draft, owned)
    spoil_ties(draft)
    for tie in draft.ties:
        rows_of(draft, tie)
    add_strangers(draft)
    _gather(draft, {each.entity.uuid: each.owner for each in owned})
    shelve(draft)
    return _finish(draft)


def _gather(draft: Draft, owners: dict[object, Household | None]) -> None:
    """Put families and their entities into client groups: most households of several people, and always the first."""
    groups: dict[int, Group] = {}
    for number, household in enumerate(draft.households):
        if number and (len(household.people) == 1 or draft.chance(0.4)):
            continue
        group = Group(draft.uuid(), f"{household.adults[0].last_name} Family", draft.chance(0.3))
        groups[id(household)] = group
        draft.groups.append(group)
        for person in household.people:
            person.groups.append(group.uuid)
    for entity in draft.entities:
        owning = groups.get(id(owners.get(entity.uuid)))
        if owning:
            entity.groups.append(owning.uuid)


def _finish(draft: Draft) -> Practice:
    clients = [*draft.people, *draft.entities]
    draft.rng.shuffle(clients)
    for position, client in enumerate(clients):
        client.position = position
    staff = []
    for _ in range(min(3 + draft.size // 400, 40)):
        name = f"{draft.pick(words.FEMALE + words.MALE)} {draft.pick(words.SURNAMES)}"
        staff.append(
            Staff(draft.uuid(), name, draft.email(name.replace(" ", "."), "practice.example"), "(02) 5550 0100")
        )
    return Practice(
        name=f"{draft.pick(words.SURNAMES)} {draft.pick(words.SURNAMES)} Accountants",
        clients={client.uuid: client for client in clients},
        groups={group.uuid: group for group in draft.groups},
        staff=tuple(staff),
    )
