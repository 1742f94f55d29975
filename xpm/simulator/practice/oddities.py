"""Gives a practice the oddities of real ones: shared, missing and invalid emails, hard names, twins, archived clients.

Each category takes clients that represent no other category, so that in a small practice no oddity hides another.
"""

from __future__ import annotations

from collections.abc import Sequence

from xpm.simulator.practice import words
from xpm.simulator.practice.draft import Draft, ascii_slug
from xpm.simulator.practice.model import Client
from xpm.simulator.practice.people import display_name


def odd_emails(draft: Draft) -> None:
    """Couples that share an email, pairs whose emails differ in case only, invalid emails, people without one."""
    couples = [
        household.adults
        for household in draft.households
        if [adult.business_structure for adult in household.adults] == ["Individual", "Individual"]
    ]
    for one, other in draft.rng.sample(couples, min(draft.quota(0.02), len(couples))):
        other.email = one.email
        draft.reserved |= {one.uuid, other.uuid}
    people = [person for person in draft.people if person.email and person.business_structure]
    for one, other in _twins(draft, people, 0.003):
        local, _, domain = (one.email or "").partition("@")
        other.email = f"{local.title()}@{domain}"
    for person in draft.take(people, 0.004):
        person.email = draft.pick(words.INVALID_EMAILS).format(ascii_slug(person.name))
    for person in draft.take(people, 0.05):
        person.email = None


def odd_names(draft: Draft) -> None:
    """Names that need escaping, other scripts, joint names and namesakes. Must run before rows copy any name."""
    people = [person for person in draft.people if person.business_structure]
    for person in draft.take(people, 0.01):
        _rename(person, person.first_name or "", draft.pick(words.APOSTROPHE_SURNAMES))
    for pool, share in ((words.ACCENTED_PEOPLE, 0.006), (words.RIGHT_TO_LEFT_PEOPLE, 0.0005)):
        for person in draft.take(people, share):
            _rename(person, *draft.pick(pool))
    for person in draft.take(people, 0.004):
        _rename(person, f"{draft.pick(words.MALE)[0]} & {draft.pick(words.FEMALE)[0]}", person.last_name or "")
    for one, other in _twins(draft, people, 0.005):
        other.first_name, other.last_name = one.first_name, one.last_name
        other.name = one.name = display_name(draft, one.first_name or "", one.last_name or "")
    _odd_entity_names(draft)


def _odd_entity_names(draft: Draft) -> None:
    companies = [entity for entity in draft.entities if entity.business_structure == "Company"]
    trusts = [entity for entity in draft.entities if (entity.business_structure or "").endswith("Trust")]
    for pool, share, names in (
        (companies, 0.01, words.AMPERSAND_ENTITIES),
        (companies, 0.001, words.ANGLE_ENTITIES),
        (trusts, 0.002, words.QUOTE_ENTITIES),
        (companies, 0.0005, words.EMOJI_ENTITIES),
    ):
        for entity in draft.take(pool, share):
            entity.name = draft.pick(names).format(draft.pick(words.SURNAMES))
    for one, other in _twins(draft, companies, 0.004):
        other.name = one.name


def _rename(person: Client, first: str, last: str) -> None:
    person.first_name, person.last_name, person.name = first, last, f"{first} {last}"


def _twins(draft: Draft, pool: Sequence[Client], share: float) -> list[tuple[Client, Client]]:
    ones, others = draft.take(pool, share), draft.take(pool, share)
    return list(zip(ones, others, strict=False))  # A tiny pool may leave one without a twin.


def shelve(draft: Draft) -> None:
    """Archive and delete some clients, including some that others' rows name, and make some prospects."""
    everybody = [*draft.people, *draft.entities]
    named = {row.related_uuid for client in everybody for row in client.relationships}
    tied = [client for client in everybody if client.uuid in named]
    for client in draft.take(tied, 0.03) + draft.take(everybody, 0.03):
        client.is_archived = True
    for client in draft.take(tied, 0.01) + draft.take(everybody, 0.01):
        client.is_deleted = True
    for client in draft.take(everybody, 0.03):
        client.is_prospect = True
