"""Ties people and entities together: family, directors, shares, trusts, partnerships and memberships.

A label without "Of" says what the other client is to the record that has it; with "Of", what the record is to the other.
"""

from __future__ import annotations

from decimal import Decimal

from xpm.simulator.practice import words
from xpm.simulator.practice.draft import TODAY, Draft, Household, Tie
from xpm.simulator.practice.entities import Owned
from xpm.simulator.practice.model import Client, Relationship

_UNLISTED = (
    ("Unit Holder", "Unit Holder Of"), ("Executor", "Executor Of"), ("Contact", "Contact Of"),
    ("Bucket Company", None), ("Bookkeeper", "Bookkeeper Of"), ("De Facto ??", "De Facto ??"),
)  # fmt: skip


def tie_households(draft: Draft) -> None:
    """Spouses both ways (one word or the pair Husband and Wife), and parents with children."""
    for household in draft.households:
        if len(household.adults) == 2:
            one, other = household.adults
            if draft.chance(0.5) or {one.gender, other.gender} != {"Female", "Male"}:
                draft.ties.append(Tie(one, "Spouse", other, "Spouse", start=draft.day(40, 1)))
            else:
                draft.ties.append(Tie(one, _spouse_word(other), other, _spouse_word(one)))
        for child in household.children:
            draft.ties += [Tie(adult, "Parent Of", child, "Child Of") for adult in household.adults]


def _spouse_word(person: Client) -> str:
    return "Wife" if person.gender == "Female" else "Husband"


def tie_entities(draft: Draft, entities: list[Owned]) -> None:
    """Join each owned entity to its owner's people and, here and there, to other entities of the practice."""
    trustees = [each.entity for each in entities if each.owner and each.entity.business_structure == "Trustee Company"]
    companies = [each.entity for each in entities if each.owner and each.entity.business_structure == "Company"]
    for each in entities:
        if each.owner is None:
            continue
        match each.entity.business_structure:
            case "Company" | "Trustee Company":
                _company(draft, each.entity, each.owner, companies)
            case "Partnership":
                _partnership(draft, each.entity, each.owner)
            case "Self Managed Superannuation Fund":
                _fund(draft, each.entity, each.owner, trustees)
            case "Incorporated Association":
                _association(draft, each.entity, each.owner, companies)
            case "Deceased Estate":
                _join(draft, each.entity, "Beneficiary", each.owner.people)
            case _:
                _trust(draft, each.entity, each.owner, trustees)


def _join(draft: Draft, entity: Client, label: str, others: list[Client]) -> None:
    for other in others:
        if other is not entity:
            start = draft.day(25) if draft.chance(0.6) else None
            draft.ties.append(Tie(entity, label, other, f"{label} Of", start=start))


def _company(draft: Draft, company: Client, owner: Household, companies: list[Client]) -> None:
    _join(draft, company, "Director", owner.adults)
    if draft.chance(0.3):
        _join(draft, company, "Secretary", owner.adults[:1])
    label = "Owner" if draft.chance(0.08) else "Shareholder"
    for adult in owner.adults:
        shares = draft.pick((1, 1, 2, 10, 50, 60, 100, 1000, 120_000))
        draft.ties.append(Tie(company, label, adult, f"{label} Of", shares=shares, start=draft.day(25)))
    if draft.chance(0.1):  # A company may own part of another.
        parent = draft.pick(companies) if companies else company
        if parent is not company:
            draft.ties.append(Tie(company, "Shareholder", parent, "Shareholder Of", shares=draft.rng.randint(1, 500)))
    if draft.chance(0.05):
        _join(draft, company, "Public Officer", owner.adults[-1:])
    if companies and draft.chance(0.04):
        associate = draft.pick(companies)
        if associate is not company:
            draft.ties.append(Tie(company, "Associate", associate, "Associate"))


def _partnership(draft: Draft, partnership: Client, owner: Household) -> None:
    partners = list(owner.adults)
    stranger = draft.pick(draft.households).adults[0]
    if stranger not in partners:
        partners.append(stranger)
    shares = {1: ("100",), 2: draft.pick((("50", "50"), ("60", "40"), ("99.5", "0.5"))), 3: ("33.34", "33.33", "33.33")}
    for partner, percentage in zip(partners, shares[len(partners)], strict=True):
        draft.ties.append(Tie(partnership, "Partner", partner, "Partner Of", percentage=Decimal(percentage)))


def _fund(draft: Draft, fund: Client, owner: Household, trustees: list[Client]) -> None:
    _join(draft, fund, "Member", owner.adults)
    corporate = trustees and draft.chance(0.5)
    _join(draft, fund, "Trustee", [draft.pick(trustees)] if corporate else owner.adults)


def _trust(draft: Draft, trust: Client, owner: Household, trustees: list[Client]) -> None:
    corporate = trustees and draft.chance(0.5)
    _join(draft, trust, "Trustee", [draft.pick(trustees)] if corporate else owner.adults[:1])
    _join(draft, trust, "Beneficiary", owner.people)
    if trust.business_structure != "Unit Trust":
        _join(draft, trust, "Appointer", owner.adults[:1])
    if draft.chance(0.1):
        _join(draft, trust, "Settlor", [draft.pick(draft.households).adults[-1]])


def _association(draft: Draft, association: Client, owner: Household, companies: list[Client]) -> None:
    _join(draft, association, "Secretary", owner.adults[:1])
    _join(draft, association, "Public Officer", owner.adults[-1:])
    _join(draft, association, "Member", owner.people)
    if companies:
        _join(draft, association, "Auditor", [draft.pick(companies)])


def spoil_ties(draft: Draft) -> None:
    """End some ties, make some one-sided, and add some with labels that XPM does not list."""
    ties = draft.ties
    for tie in draft.rng.sample(ties, min(draft.quota(0.05), len(ties))):
        tie.start = tie.start or draft.day(20, 6)
        tie.end = max(tie.start, min(draft.day(5), TODAY))
    for tie in draft.rng.sample(ties, min(draft.quota(0.04), len(ties))):
        if draft.chance(0.5):
            tie.label = None
        else:
            tie.back = None
    tied_entities = [tie.holder for tie in ties if tie.holder.first_name is None]
    for _ in range(draft.quota(0.01) if tied_entities else 0):
        label, back = draft.pick(_UNLISTED)
        draft.ties.append(Tie(draft.pick(tied_entities), label, draft.pick(draft.households).adults[0], back))


def add_strangers(draft: Draft) -> None:
    """Give some tied clients a row about a person outside the practice."""
    holders = [client for client in draft.entities if client.relationships]
    for holder in draft.rng.sample(holders, min(draft.quota(0.004), len(holders))):
        name = f"{draft.pick(words.MALE)} {draft.pick(words.SURNAMES)}"
        holder.relationships.append(Relationship(draft.uuid(), "Shareholder", draft.uuid(), name, number_of_shares=1))
