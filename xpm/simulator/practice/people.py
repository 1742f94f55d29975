"""Makes the people of a practice: households of adults and children, with names, titles, births and emails."""

from __future__ import annotations

from datetime import timedelta

from xpm.simulator.practice import words
from xpm.simulator.practice.draft import TODAY, Draft, Household
from xpm.simulator.practice.model import Client

_TITLES = {"Female": ("Ms", "Mrs", "Miss", "Dr"), "Male": ("Mr", "Mr", "Mr", "Dr")}


def make_people(draft: Draft, people: int, sole_traders: int, unstructured: int) -> None:
    """Make people in households, some of them sole traders, and some people without a structure.

    A person without a structure can hold no relationships (a rule of XPM), so those live in no household.
    """
    left = people
    while left:
        household = _household(draft, left)
        left -= len(household.people)
        draft.households.append(household)
        draft.people += household.people
    adults = [adult for household in draft.households[1:] for adult in household.adults]
    if len(adults) < sole_traders:  # Else the first couple stay plain individuals, who can share an email.
        adults += draft.households[0].adults
    for adult in draft.rng.sample(adults, sole_traders):
        adult.business_structure = "Sole Trader"
    for _ in range(unstructured):
        draft.people.append(_adult(draft, None, draft.pick(words.SURNAMES), draft.pick(("Female", "Male"))))


def _household(draft: Draft, room: int) -> Household:
    """A household of up to `room` people. The first is a couple with a child, so that each practice has one."""
    first = not draft.households
    surname = draft.pick(words.SURNAMES)
    genders = ["Female", "Male"]
    draft.rng.shuffle(genders)
    household = Household([_adult(draft, "Individual", surname, genders[0])])
    if room > 1 and (first or draft.chance(0.6)):
        partner_surname = surname if draft.chance(0.85) else draft.pick(words.SURNAMES)
        gender = genders[1] if draft.chance(0.95) else genders[0]
        household.adults.append(_adult(draft, "Individual", partner_surname, gender))
    if first or draft.chance(0.35):
        children = min(draft.rng.randint(1, 3), room - len(household.adults))
        household.children = [_child(draft, surname) for _ in range(children)]
    return household


def _adult(draft: Draft, structure: str | None, surname: str, gender: str) -> Client:
    person = _person(draft, structure, surname, gender)
    person.date_of_birth = draft.day(88, 30)
    person.title = draft.pick(_TITLES[gender]) if draft.chance(0.8) else None
    person.email = draft.email(f"{person.first_name}.{person.last_name}")
    return person


def _child(draft: Draft, surname: str) -> Client:
    child = _person(draft, "Individual", surname, draft.pick(("Female", "Male")))
    child.date_of_birth = draft.day(29, 2)
    grown_up = TODAY - child.date_of_birth > timedelta(days=16 * 365)
    child.email = draft.email(f"{child.first_name}.{child.last_name}") if grown_up else None
    return child


def _person(draft: Draft, structure: str | None, surname: str, gender: str) -> Client:
    first = draft.pick(words.FEMALE if gender == "Female" else words.MALE)
    person = draft.client(display_name(draft, first, surname), structure)
    person.first_name, person.last_name = first, surname
    person.gender = gender if draft.chance(0.85) else None
    person.return_type = "Individual" if draft.chance(0.7) else None
    return person


def display_name(draft: Draft, first: str, last: str) -> str:
    """The display name, sometimes with the last name first."""
    return f"{last}, {first}" if draft.chance(0.2) else f"{first} {last}"
