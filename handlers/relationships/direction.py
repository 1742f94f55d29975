"""Who is what to whom: decided by what the two sides are, and only then by the label (facts on XPM §3).

In practices' real data "Director" and "Director Of" stand on either side. Yet a director is a person and what they direct is
not, whatever the label says. Where the two sides leave it open the label counts, and what then still says two things is
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


@dataclass(frozen=True, slots=True)
class Reading:
    """How a relationship is read, and what about it is not certain."""

    direction: Direction
    ambiguity: Ambiguity | None = None


@dataclass(frozen=True, slots=True)
class Role:
    """What may be this (`holders`), and of what (`subjects`). `between_people`: then it is mutual, as of two partners."""

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


def what_may_be(kinds: frozenset[ClientKind], entity_type: EntityType | None) -> frozenset[str]:
    """What one side may be: a person, an entity of a type, either, or an entity of which no more is known."""
    found: set[str] = {PERSON} if ClientKind.INDIVIDUAL in kinds else set()
    if ClientKind.ENTITY in kinds:
        found |= ENTITIES if entity_type in (None, EntityType.OTHER) else {str(entity_type)}
    return frozenset(found)


def decide(
    told: Sequence[Label], client: frozenset[str], other: frozenset[str], told_there: Sequence[Label] = ()
) -> Reading:
    """Read one relationship.

    Args:
        told: by the client's record, the most telling first; at least one, all of one role.
        client, other: what the two sides may be.
        told_there: by the other side's record, where that is known.
    """
    label = _by_label(told[0])
    role = ROLES.get(told[0].role)
    if role is None:
        return Reading(label, Ambiguity.UNKNOWN_LABEL)
    possible = _possible(role, client, other)
    if len(possible) == 1:
        return Reading(next(iter(possible)))
    if not possible:
        return Reading(Direction.MUTUAL if role.always_mutual else label, Ambiguity.TYPES_DO_NOT_FIT)
    hints = {_by_label(each) for each in told} | {_flipped(_by_label(each)) for each in told_there}
    if Direction.MUTUAL in possible:
        hints = {hint if hint in possible else Direction.MUTUAL for hint in hints}
        label = label if label in possible else Direction.MUTUAL
    return Reading(label, Ambiguity.TOLD_BOTH_WAYS if len(hints) > 1 else None)


def as_text(raw_label: str, direction: Direction) -> str:
    """What a team member is called by this relationship: "Director" is what they are, "Director Of" what the client is."""
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
