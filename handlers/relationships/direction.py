"""Decides who is what to whom: by the kinds of the two sides, and only then by the label (facts on XPM §3).

In real data "Director" and "Director Of" appear on both sides. But a director is a person and what they direct is not,
whatever the label says. If the kinds leave it open, the label decides; if labels contradict each other, the relationship is
marked as ambiguous for the reviewer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from handlers.relationships.labels import Label, title_of
from portal_db.states import ClientKind, EntityType

PERSON = "person"
ENTITIES = frozenset(str(value) for value in EntityType)
ANYTHING = ENTITIES | {PERSON}
_PEOPLE = frozenset({PERSON})
_BODIES = ENTITIES - {EntityType.SOLE_TRADER}
_COMPANIES = frozenset({EntityType.COMPANY, EntityType.PRIVATE_COMPANY, EntityType.PUBLIC_COMPANY})
_SHARED = _COMPANIES | {EntityType.JOINT_VENTURE, EntityType.OTHER}
_TRUSTS = frozenset({EntityType.TRUST, EntityType.SUPER_FUND, EntityType.OTHER})
_PARTNERSHIPS = frozenset({EntityType.PARTNERSHIP, EntityType.JOINT_VENTURE, EntityType.OTHER})


class Direction(StrEnum):
    """`other_is`: the other side is this to the client. `client_is`: the client is this to the other side."""

    OTHER_IS = "other_is"
    CLIENT_IS = "client_is"
    MUTUAL = "mutual"


class Ambiguity(StrEnum):
    """Why a reviewer should look twice."""

    UNKNOWN_LABEL = "unknown_label"
    TOLD_BOTH_WAYS = "told_both_ways"
    TYPES_DO_NOT_FIT = "types_do_not_fit"
    TO_ITSELF = "to_itself"


@dataclass(frozen=True, slots=True)
class Reading:
    """The direction of a relationship, and what is uncertain about it."""

    direction: Direction
    ambiguity: Ambiguity | None = None


@dataclass(frozen=True, slots=True)
class Role:
    """Who may have a role (`holders`), and in what (`subjects`). `between_people`: it is mutual between two people, as for
    partners."""

    holders: frozenset[str] = ANYTHING
    subjects: frozenset[str] = ENTITIES
    always_mutual: bool = False
    between_people: bool = False


ROLES: dict[str, Role] = {
    "director": Role(_PEOPLE, _BODIES),
    "secretary": Role(_PEOPLE, _BODIES),
    "public officer": Role(_PEOPLE, _BODIES),
    "shareholder": Role(subjects=_SHARED),
    "owner": Role(),
    "trustee": Role(subjects=_TRUSTS),
    "beneficiary": Role(subjects=_TRUSTS),
    "settlor": Role(subjects=_TRUSTS),
    "appointer": Role(subjects=_TRUSTS),
    "unit holder": Role(subjects=_TRUSTS),
    "member": Role(subjects=_BODIES),
    "auditor": Role(),
    "contact": Role(_PEOPLE, ANYTHING),
    "partner": Role(subjects=_PARTNERSHIPS, between_people=True),
    "spouse": Role(_PEOPLE, _PEOPLE, always_mutual=True),
    "associate": Role(subjects=ANYTHING, always_mutual=True),
    "parent": Role(_PEOPLE, _PEOPLE),
    "child": Role(_PEOPLE, _PEOPLE),
}


def possible_kinds(kinds: frozenset[ClientKind], entity_type: EntityType | None) -> frozenset[str]:
    """What one side may be: a person, an entity of some type, or either."""
    found: set[str] = {PERSON} if ClientKind.INDIVIDUAL in kinds else set()
    if ClientKind.ENTITY in kinds:
        found |= ENTITIES if entity_type in (None, EntityType.OTHER) else {str(entity_type)}
    return frozenset(found)


def decide(
    labels: Sequence[Label], client: frozenset[str], other: frozenset[str], their_labels: Sequence[Label] = ()
) -> Reading:
    """Decide the direction of one relationship.

    Args:
        labels: in the client's record, the most significant first; at least one, all of one role.
        client, other: what the two sides may be.
        their_labels: in the other side's record, if that is known.
    """
    label = _by_label(labels[0])
    role = ROLES.get(labels[0].role)
    if role is None:
        return Reading(label, Ambiguity.UNKNOWN_LABEL)
    possible = _possible(role, client, other)
    if len(possible) == 1:
        return Reading(next(iter(possible)))
    if not possible:
        return Reading(Direction.MUTUAL if role.always_mutual else label, Ambiguity.TYPES_DO_NOT_FIT)
    hints = {_by_label(each) for each in labels} | {_flipped(_by_label(each)) for each in their_labels}
    if Direction.MUTUAL in possible:
        hints = {hint if hint in possible else Direction.MUTUAL for hint in hints}
        label = label if label in possible else Direction.MUTUAL
    return Reading(label, Ambiguity.TOLD_BOTH_WAYS if len(hints) > 1 else None)


def as_text(raw_label: str, direction: Direction) -> str:
    """A team member's relationship as text: "Director" is what they are, "Director Of" is what the client is."""
    return title_of(raw_label) + (" Of" if direction is Direction.CLIENT_IS else "")


def _possible(role: Role, client: frozenset[str], other: frozenset[str]) -> set[Direction]:
    client_holds = bool(client & role.holders and other & role.subjects)
    if role.always_mutual:
        return {Direction.MUTUAL} if client_holds else set()
    found = {Direction.CLIENT_IS} if client_holds else set()
    if other & role.holders and client & role.subjects:
        found.add(Direction.OTHER_IS)
    if role.between_people and PERSON in client and PERSON in other:
        found.add(Direction.MUTUAL)
    return found


def _by_label(label: Label) -> Direction:
    return Direction.CLIENT_IS if label.has_of else Direction.OTHER_IS


def _flipped(direction: Direction) -> Direction:
    return Direction.OTHER_IS if direction is Direction.CLIENT_IS else Direction.CLIENT_IS
