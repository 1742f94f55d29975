"""Decides what an XPM record is in the portal: an individual or an entity, and which of the nine types.

Source: facts on XPM §4. `BusinessStructure` is free text per practice: the practice's own meaning of a word decides, then
common words, then New Zealand's return type, then fields that only people have, then the end of the name. If these leave it
open, the requester decides.

Of common words, an entity's type says more than "individual": the trustees of a "Trust (Individual Trustees)" are people.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from config.folding import fold_text
from portal_db.states import ClientKind, EntityType
from xpm.records import XpmClient


@dataclass(frozen=True)
class StructureMeaning:
    """What a business structure means at a practice; an entity has a type."""

    kind: ClientKind
    entity_type: EntityType | None


#: A practice's own meanings, by the folded structure.
Words = Mapping[str, StructureMeaning]
NO_WORDS: Words = MappingProxyType({})

_PERSON = re.compile(r"(?<!non[- ])\b(individual|person)\b", re.IGNORECASE)

#: The first match wins, so narrower words come first ("trustee company" is a company).
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


def entity_type_of(record: XpmClient, words: Words = NO_WORDS) -> EntityType:
    """The portal's type for an entity: `Other` if no rule applies (b.4)."""
    structure = record.business_structure or ""
    own = words.get(fold_text(structure))
    if own is not None and own.entity_type is not None:
        return own.entity_type
    if structure:
        return _named_in(structure) or EntityType.OTHER
    if record.return_type in _RETURN_TYPES:
        return _RETURN_TYPES[record.return_type]
    for pattern, entity_type in _NAME_ENDINGS:
        if pattern.search(record.name):
            return entity_type
    return EntityType.OTHER


def kinds_of(record: XpmClient, words: Words = NO_WORDS) -> frozenset[ClientKind]:
    """What a record may be imported as: one kind if the practice or XPM decides it, else both.

    A sole trader is a person in business, so both are right.
    """
    both = frozenset(ClientKind)
    structure = record.business_structure or ""
    own = words.get(fold_text(structure))
    if own is not None:
        return frozenset({own.kind})
    person = _PERSON.search(structure)
    if _named_in(structure) not in (None, EntityType.SOLE_TRADER):
        # "Trust (Individual Trustees)" is an entity; of "Individual (Company Director)" the requester decides.
        comes_first = person is None or any(pattern.search(structure, 0, person.start()) for pattern, _ in _TYPES)
        return frozenset({ClientKind.ENTITY}) if comes_first else both
    if person is not None:
        return frozenset({ClientKind.INDIVIDUAL})
    if structure:
        return both
    if record.return_type in _PERSONAL_RETURNS:
        return frozenset({ClientKind.INDIVIDUAL})
    if record.return_type in _RETURN_TYPES:
        return frozenset({ClientKind.ENTITY})
    return both


def _named_in(structure: str) -> EntityType | None:
    """The type that the common words of a structure name."""
    return next((entity_type for pattern, entity_type in _TYPES if pattern.search(structure)), None)


def suggested_kind(record: XpmClient, words: Words = NO_WORDS) -> ClientKind:
    """The kind whose import window opens for a record."""
    possible = kinds_of(record, words)
    if len(possible) == 1:
        return next(iter(possible))
    if entity_type_of(record) is EntityType.SOLE_TRADER:
        return ClientKind.INDIVIDUAL
    is_person = any((record.first_name, record.last_name, record.date_of_birth, record.gender))
    return ClientKind.INDIVIDUAL if is_person else ClientKind.ENTITY
