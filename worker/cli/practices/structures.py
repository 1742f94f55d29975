"""The commands of `directory structures`: what a practice's own words for business structures mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.table import Table

from handlers.directory import structures
from handlers.directory.structures import Structure
from portal_db.states import ClientKind, EntityType
from worker.cli.database import open_record
from worker.cli.exits import explain_refusals
from worker.cli.operator import Practice
from worker.cli.output import AsJson, clean, fields, say_list, say_result, table

structures_app = typer.Typer(no_args_is_help=True, help="What a practice's words for business structures mean.")

Word = Annotated[str, typer.Argument(metavar="STRUCTURE", help="The word, as in XPM.", show_default=False)]


@structures_app.command("list")
def show(practice: Practice, as_json: AsJson = False) -> None:
    """List the business structures in a practice's directories, and what each one means."""
    with open_record() as record, explain_refusals({"practice_id": f"--practice {practice}"}):
        found = structures.listing(record.database, practice)
    empty = "There are no structures: the practice's directories are empty."
    say_list(found, as_json, _result, _table, empty=empty)


def _table(found: Sequence[Structure]) -> Table:
    made = table("Structure", "Records", "Imported as", "Type", "Set by", right=[1])
    for item in found:
        kinds = " or ".join(sorted(item.kinds))
        entity_type = item.entity_type.value if ClientKind.ENTITY in item.kinds else ""
        made.add_row(clean(item.word), f"{item.records:,}", kinds, entity_type, "staff" if item.is_set else "rule")
    return made


@structures_app.command("set")
def explain(
    word: Word,
    practice: Practice,
    kind: Annotated[ClientKind, typer.Option(metavar="KIND", help="individual or entity.", show_default=False)],
    entity_type: Annotated[
        EntityType | None, typer.Option("--type", metavar="TYPE", help="For an entity, such as Trust or Other.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Set what a business structure means for a practice. Existing clients do not change."""
    labels = {"practice_id": f"--practice {practice}", "structure": "STRUCTURE", "entity_type": "--type"}
    with open_record() as record, explain_refusals(labels):
        item = structures.explain(record.database, practice, word, kind, entity_type)
    say_result(as_json, _result(item), f"{clean(item.word)}: {kind}" + (f", {entity_type}." if entity_type else "."))


@structures_app.command("forget")
def forget(word: Word, practice: Practice, as_json: AsJson = False) -> None:
    """Return a business structure to the general rules."""
    with open_record() as record, explain_refusals({"structure": f"STRUCTURE {clean(word)}"}):
        structures.forget(record.database, practice, word)
    say_result(as_json, {"structure": word, "is_set": False}, f"{clean(word)}: by the general rules.")


def _result(item: Structure) -> dict[str, Any]:
    return {
        **fields(item, "records is_set", structure="word"),
        "kinds": sorted(item.kinds),
        "entity_type": item.entity_type if ClientKind.ENTITY in item.kinds else None,
    }
