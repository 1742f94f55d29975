"""What a practice's own words for business structures mean: importers look, owners and account admins change it."""

from __future__ import annotations

from typing import Annotated, Self

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from handlers.directory import structures
from handlers.directory.structures import Structure
from portal_db.states import ClientKind, EntityType
from web.http.identity import Importer, Keeper
from web.portal import ThePortal

router = APIRouter(prefix="/integrations/xpm/structures", tags=["integration"])


class Explained(BaseModel):
    """A business structure, and what records with it may be imported as."""

    structure: str
    records: int = Field(description="records in the practice's directories that have it")
    kinds: list[ClientKind]
    entity_type: EntityType | None = Field(description="the type of an entity of it")
    is_set: bool = Field(description="whether staff said so, or a general rule does")

    @classmethod
    def of(cls, found: Structure) -> Self:
        return cls(
            structure=found.word,
            records=found.records,
            kinds=sorted(found.kinds),
            entity_type=found.entity_type if ClientKind.ENTITY in found.kinds else None,
            is_set=found.is_set,
        )


class Explanation(BaseModel):
    model_config = ConfigDict(extra="forbid")

    structure: Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]
    kind: ClientKind
    entity_type: EntityType | None = Field(None, description="of an entity, and of nothing else")


@router.get("")
def list_structures(portal: ThePortal, who: Importer) -> list[Explained]:
    """The business structures in the practice's directories, the most frequent first."""
    return [Explained.of(found) for found in structures.listing(portal.database, who.practice_id)]


@router.put("")
def explain_structure(portal: ThePortal, who: Keeper, given: Explanation) -> Explained:
    """Say what a business structure means from now on. Clients who are there keep what they are."""
    found = structures.explain(
        portal.database, who.practice_id, given.structure, given.kind, given.entity_type, by=who.staff_id
    )
    return Explained.of(found)


@router.delete("", status_code=204)
def forget_structure(
    portal: ThePortal, who: Keeper, structure: Annotated[str, Query(min_length=1, max_length=200, pattern=r"\S")]
) -> None:
    """Let a business structure be understood by the general rules again."""
    structures.forget(portal.database, who.practice_id, structure, by=who.staff_id)
