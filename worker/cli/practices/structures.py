"""The group `directory structures`: what a practice's own words for business structures mean."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import typer

from handlers.directory import structures
from handlers.directory.structures import Structure
from portal_db.states import ClientKind, EntityType
from worker.cli.database import opened
from worker.cli.exits import refusals_naming
from worker.cli.output import AsJson, clean, console, say, say_json, table

structures_app = typer.Typer(no_args_is_help=True, help="What a practice's words for business structures mean.")

Practice = Annotated[UUID, typer.Option("--practice", metavar="ID", help="The practice's id.", show_default=False)]
Word = Annotated[str, typer.Argument(metavar="STRUCTURE", help="The word, as XPM has it.", show_default=False)]


@structures_app.command("list")
def show(practice: Practice, as_json: AsJson = False) -> None:
    """List the business structures in a practice's directories, and what each one means."""
    with opened() as record, refusals_naming({"practice_id": f"--practice {practice}"}):
        found = structures.listing(record.database, practice)
    if as_json:
        say_json([_result(item) for item in found])
        return
    if not found:
        say("There are no structures: the practice's directories are empty.")
        return
    made = table("Structure", "Records", "May become", "Type", "Said by")
    made.columns[1].justify = "right"
    for item in found:
        kinds = " or ".join(sorted(item.kinds))
        entity_type = item.entity_type.value if ClientKind.ENTITY in item.kinds else ""
        made.add_row(clean(item.word), f"{item.records:,}", kinds, entity_type, "staff" if item.is_set else "rule")
    console().print(made)


@structures_app.command("set")
def explain(
    word: Word,
    practice: Practice,
    kind: Annotated[ClientKind, typer.Option(metavar="KIND", help="individual or entity.", show_default=False)],
    entity_type: Annotated[
        EntityType | None, typer.Option("--type", metavar="TYPE", help="Of an entity: such as Trust or Other.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Set what a business structure means for a practice. Existing clients do not change."""
    given = {"practice_id": f"--practice {practice}", "structure": "STRUCTURE", "entity_type": "--type"}
    with opened() as record, refusals_naming(given):
        item = structures.explain(record.database, practice, word, kind, entity_type)
    if as_json:
        say_json(_result(item))
    else:
        say(f"{clean(item.word)}: {kind}" + (f", {entity_type}." if entity_type else "."))


@structures_app.command("forget")
def forget(word: Word, practice: Practice, as_json: AsJson = False) -> None:
    """Return a business structure to the general rules."""
    with opened() as record, refusals_naming({"structure": f"STRUCTURE {clean(word)}"}):
        structures.forget(record.database, practice, word)
    if as_json:
        say_json({"structure": word, "is_set": False})
    else:
        say(f"{clean(word)}: by the general rules.")


def _result(item: Structure) -> dict[str, Any]:
    return {
        "structure": item.word,
        "records": item.records,
        "kinds": sorted(item.kinds),
        "entity_type": item.entity_type if ClientKind.ENTITY in item.kinds else None,
        "is_set": item.is_set,
    }
