"""What an XPM record is in the portal: a person or an entity, and which of the nine types.

Source: facts on XPM §4. `BusinessStructure` is free text per practice: what its staff say a word means decides, then words
that every practice understands alike; then New Zealand's return type; then fields only people have; then the name's ending.
What stays open is for the requester to say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from handlers.directory.records import fold_text
from portal_db.states import ClientKind, EntityType
from xpm.records import XpmClient


@dataclass(frozen=True)
class StructureMeaning:
    """What staff say a business structure is; an entity has a type."""

    kind: ClientKind
    entity_type: EntityType | None


#: What a practice's staff have said, by the folded structure.
Words = Mapping[str, StructureMeaning]
NOTHING_SAID: Words = MappingProxyType({})

_PERSON = re.compile(r"\b(individual|person)\b", re.IGNORECASE)

#: First match wins; the order puts the narrower words first ("trustee company" is a company).
_TYPES: tuple[tuple[re.Pattern[str], EntityType], ...] = tuple(
    (re.compile(words, re.IGNORECASE), entity_type)
    for words, entity_type in (
        (r"\bsole trader\b", EntityType.SOLE_TRADER),
        (r"\bjoint venture\b", EntityType.JOINT_VENTURE),
        (r"\b(smsf|super\w*)\b", EntityType.SUPER_FUND),
        (r"\bpublic company\b", EntityType.PUBLIC_COMPANY),
        (r"\b(private|proprietary) company\b", EntityType.PRIVATE_COMPANY),
        (r"\bcompany\b", EntityType.COMPANY),
        (r"\btrust\b", EntityType.TRUST),
        (r"\bpartnership\b", EntityType.PARTNERSHIP),
    )
)
_RETURN_TYPES = {"IR4": EntityType.COMPANY, "IR6": EntityType.TRUST, "IR7": EntityType.PARTNERSHIP}
_PERSONAL_RETURNS = frozenset({"IR3", "IR3NR", "PTS"})
_NAME_ENDINGS: tuple[tuple[re.Pattern[str], EntityType], ...] = (
    (re.compile(r"\bsuper(annuation)? fund\b|\bsmsf\b", re.IGNORECASE), EntityType.SUPER_FUND),
    (re.compile(r"\btrust\b", re.IGNORECASE), EntityType.TRUST),
    (re.compile(r"\b(pty\.? )?ltd\.?$|\blimited$", re.IGNORECASE), EntityType.COMPANY),
    (re.compile(r"\bpartnership$", re.IGNORECASE), EntityType.PARTNERSHIP),
)


def entity_type_of(record: XpmClient, words: Words = NOTHING_SAID) -> EntityType:
    """The portal's type for an entity; what no rule knows is `Other` (b.4)."""
    structure = record.business_structure or ""
    said = words.get(fold_text(structure)) if words else None
    if said is not None and said.entity_type is not None:
        return said.entity_type
    for pattern, entity_type in _TYPES:
        if pattern.search(structure):
            return entity_type
    if structure:
        return EntityType.OTHER
    if record.return_type in _RETURN_TYPES:
        return _RETURN_TYPES[record.return_type]
    for pattern, entity_type in _NAME_ENDINGS:
        if pattern.search(record.name):
            return entity_type
    return EntityType.OTHER


def kinds_of(record: XpmClient, words: Words = NOTHING_SAID) -> frozenset[ClientKind]:
    """What the record may be imported as: one kind where staff or XPM say, both where that is left open.

    A sole trader is a person in business: either window is right.
    """
    both = frozenset(ClientKind)
    structure = record.business_structure or ""
    said = words.get(fold_text(structure)) if words else None
    if said is not None:
        return frozenset({said.kind})
    if _PERSON.search(structure):
        return frozenset({ClientKind.INDIVIDUAL})
    if entity_type_of(record) is EntityType.SOLE_TRADER:
        return both
    if structure:
        known = any(pattern.search(structure) for pattern, _ in _TYPES)
        return frozenset({ClientKind.ENTITY}) if known else both
    if record.return_type in _PERSONAL_RETURNS:
        return frozenset({ClientKind.INDIVIDUAL})
    if record.return_type in _RETURN_TYPES:
        return frozenset({ClientKind.ENTITY})
    return both


def suggested_kind(record: XpmClient, words: Words = NOTHING_SAID) -> ClientKind:
    """Which of the two windows to open for a record."""
    possible = kinds_of(record, words)
    if len(possible) == 1:
        return next(iter(possible))
    if entity_type_of(record) is EntityType.SOLE_TRADER:
        return ClientKind.INDIVIDUAL
    is_person = any((record.first_name, record.last_name, record.date_of_birth, record.gender))
    return ClientKind.INDIVIDUAL if is_person else ClientKind.ENTITY
