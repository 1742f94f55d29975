"""What a practice's business structures in XPM mean: importers read them, owners and account admins change them."""

from __future__ import annotations

from typing import Annotated, Self

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from handlers.directory import structures
from handlers.directory.structures import Structure
from handlers.fields import Text
from portal_db.states import ClientKind, EntityType
from web.http.identity import Importer, Keeper
from web.http.models import Body
from web.portal import ThePortal

router = APIRouter(prefix="/integrations/xpm/structures", tags=["integration"])


class Explained(BaseModel):
    """A business structure, and what its records may be imported as."""

    structure: str
    records: int = Field(description="records in the practice's directories that have it")
    kinds: list[ClientKind]
    entity_type: EntityType | None = Field(description="the type of its entities")
    is_set: bool = Field(description="whether staff set this; otherwise it is a general rule")

    @classmethod
    def of(cls, found: Structure) -> Self:
        return cls(
            structure=found.word,
            records=found.records,
            kinds=sorted(found.kinds),
            entity_type=found.entity_type if ClientKind.ENTITY in found.kinds else None,
            is_set=found.is_set,
        )


class Explanation(Body):
    structure: Annotated[Text, Field(min_length=1, max_length=200, pattern=r"\S")]
    kind: ClientKind
    entity_type: EntityType | None = Field(None, description="only for entities")


@router.get("")
def list_structures(portal: ThePortal, who: Importer) -> list[Explained]:
    """The business structures in the practice's directories, the most frequent first."""
    return [Explained.of(found) for found in structures.listing(portal.database, who.practice_id)]


@router.put("")
def explain_structure(portal: ThePortal, who: Keeper, given: Explanation) -> Explained:
    """Set what a business structure means from now on. Existing clients do not change."""
    found = structures.explain(
        portal.database, who.practice_id, given.structure, given.kind, given.entity_type, by=who.staff_id
    )
    return Explained.of(found)


@router.delete("", status_code=204)
def forget_structure(
    portal: ThePortal, who: Keeper, structure: Annotated[Text, Query(min_length=1, max_length=200, pattern=r"\S")]
) -> None:
    """Apply the general rules to a business structure again."""
    structures.forget(portal.database, who.practice_id, structure, by=who.staff_id)
