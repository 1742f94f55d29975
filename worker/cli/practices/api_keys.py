"""The commands of `api-key`: what programs call the HTTP API with. (`keys` is about the keys that encrypt the record.)"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import typer

from handlers.access import api_keys
from handlers.access.api_keys import MadeKey
from handlers.access.caller import Scope
from portal_db.tables import ApiKey
from worker.cli.database import opened
from worker.cli.exits import refusals_naming
from worker.cli.output import AsJson, clean, console, iso, moment, note, say, say_json, say_line, table

api_key_app = typer.Typer(no_args_is_help=True, help="Keys for programs that call the HTTP API.")

Practice = Annotated[UUID, typer.Option("--practice", metavar="ID", help="The practice's id.", show_default=False)]
KeyId = Annotated[UUID, typer.Argument(metavar="KEY", help="The id of the key.", show_default=False)]


@api_key_app.command("add")
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is for.", show_default=False)],
    practice: Practice,
    scope: Annotated[
        list[Scope] | None,
        typer.Option(
            metavar="SCOPE", help="read, import or manage (keys, webhooks); may be repeated. [default: read, import]"
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Create a key and print it. It is shown only once: only its hash is stored."""
    scopes = set(scope or (Scope.READ, Scope.IMPORT))
    with opened() as record, refusals_naming({"practice_id": f"--practice {practice}"}):
        made = api_keys.add(record.database, practice, name, scopes)
    _tell(made, as_json)


@api_key_app.command("list")
def show(practice: Practice, as_json: AsJson = False) -> None:
    """List a practice's keys, newest first, each by its first characters."""
    with opened() as record:
        rows = api_keys.listing(record.database, practice)
    if as_json:
        say_json([_result(row) for row in rows])
        return
    if not rows:
        say("There are no API keys.")
        return
    made = table("Key", "Begins", "Scopes", "Ends", "For")
    for row in rows:
        made.add_row(str(row.id), row.hint, ", ".join(row.scopes), moment(row.ends_at), clean(row.name))
    console().print(made)


@api_key_app.command("rotate")
def rotate(key: KeyId, practice: Practice, as_json: AsJson = False) -> None:
    """Replace a key; the old one works for another day."""
    with opened() as record, refusals_naming({"key_id": f"KEY {key}"}):
        made = api_keys.rotate(record.database, key, practice_id=practice)
    _tell(made, as_json)


@api_key_app.command("revoke")
def revoke(key: KeyId, practice: Practice) -> None:
    """End a key now; programs that use it are refused at once."""
    with opened() as record, refusals_naming({"key_id": f"KEY {key}"}):
        api_keys.revoke(record.database, key, practice_id=practice)
    say("Revoked.")


def _tell(made: MadeKey, as_json: bool) -> None:
    if as_json:
        say_json({"id": made.key_id, "secret": made.secret})
        return
    say_line(made.secret)
    note(f"Its id: {made.key_id}. Keep the key safe: it is not shown again.")


def _result(row: ApiKey) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "hint": row.hint,
        "scopes": row.scopes,
        "created_at": iso(row.created_at),
        "ends_at": iso(row.ends_at),
    }
