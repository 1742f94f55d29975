"""A practice's own words for business structures: which occur in its directories, what each means, and changing that.

A word without a meaning of the practice's own follows the general rules (`handlers.directory.classification`).
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from config.folding import fold_text
from handlers import refusals
from handlers.access.act import Actor
from handlers.access.practices import require_practice
from handlers.directory.classification import StructureMeaning, Words, entity_type_of, kinds_of
from handlers.directory.records import MAX_STRUCTURE
from portal_db.database import Database, Tx
from portal_db.directory import directories, search
from portal_db.states import ClientKind, EntityType
from xpm.records import XpmClient

_NOBODY = UUID(int=0)


@dataclass(frozen=True)
class Structure:
    """A word, how many records have it, and what they may be imported as. `is_set`: the practice has set its meaning."""

    word: str
    records: int
    kinds: frozenset[ClientKind]
    entity_type: EntityType
    is_set: bool


def words_of(tx: Tx, practice_id: UUID) -> Words:
    """The meanings that the practice has set, by folded word."""
    return {
        row.structure_key: StructureMeaning(row.kind, row.entity_type)
        for row in directories.of_practice(tx, practice_id)
    }


def listing(database: Database, practice_id: UUID) -> list[Structure]:
    """The words in the practice's directories, most frequent first, then words with a meaning that do not occur.

    Raises:
        RequestRefused: there is no such practice.
    """
    with database.read() as tx:
        require_practice(tx, practice_id)
        words = words_of(tx, practice_id)
        counted = search.structures_of(tx, practice_id)
        explained = directories.of_practice(tx, practice_id)
    occurring = {fold_text(word) for word, _ in counted}
    unused = [(row.structure, 0) for row in explained if row.structure_key not in occurring]
    return [_shown(word, records, words) for word, records in (*counted, *unused)]


def explain(
    database: Database,
    practice_id: UUID,
    word: str,
    kind: ClientKind,
    entity_type: EntityType | None,
    *,
    by: UUID | None = None,
) -> Structure:
    """Set what a word means from now on; existing clients keep their kind and type.

    Args:
        by: the staff member; an operator if left out.

    Raises:
        RequestRefused: there is no such practice, the word is not valid, or the type does not fit the kind.
    """
    key = _key(word)
    if (kind is ClientKind.ENTITY) != (entity_type is not None):
        raise refusals.TYPE_DOES_NOT_FIT_KIND()
    spelled = " ".join(word.split())
    row = {"practice_id": practice_id, "structure_key": key, "structure": spelled}
    with database.write() as tx:
        require_practice(tx, practice_id)
        directories.put(tx, {**row, "kind": kind, "entity_type": entity_type, "set_by": by})
        Actor.of(by).audit(tx, "structure.explain", "practice", practice_id, practice_id, after=entity_type or kind)
    return _shown(spelled, 0, {key: StructureMeaning(kind, entity_type)})


def forget(database: Database, practice_id: UUID, word: str, *, by: UUID | None = None) -> None:
    """Let a word follow the general rules again.

    Raises:
        RequestRefused: the practice has not set its meaning.
    """
    with database.write() as tx:
        if not directories.drop(tx, practice_id, _key(word)):
            raise refusals.UNKNOWN_STRUCTURE()
        Actor.of(by).audit(tx, "structure.forget", "practice", practice_id, practice_id)


def _key(word: str) -> str:
    key = fold_text(word)
    if not 0 < len(key) <= MAX_STRUCTURE or len(word) > MAX_STRUCTURE:
        raise refusals.STRUCTURE_LENGTH(max_length=MAX_STRUCTURE)
    return key


def _shown(word: str, records: int, words: Words) -> Structure:
    record = XpmClient(_NOBODY, "", business_structure=word)
    return Structure(word, records, kinds_of(record, words), entity_type_of(record, words), fold_text(word) in words)
