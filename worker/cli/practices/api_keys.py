"""The commands of `api-key`: keys for programs that call the HTTP API. (`keys` manages the keys that encrypt tokens.)"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.table import Table

from handlers.access import api_keys
from handlers.access.caller import Scope
from portal_db.tables import ApiKey
from worker.cli.database import open_record
from worker.cli.exits import explain_refusals
from worker.cli.operator import Practice
from worker.cli.output import (
    AsJson,
    clean,
    fields,
    print_secret,
    say,
    say_list,
    short_utc,
    table,
    utc,
)

api_key_app = typer.Typer(no_args_is_help=True, help="Keys for programs that call the HTTP API.")

KeyId = Annotated[UUID, typer.Argument(metavar="KEY", help="The key's id.", show_default=False)]


@api_key_app.command("add")
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the key is for.", show_default=False)],
    practice: Practice,
    scope: Annotated[
        list[Scope] | None,
        typer.Option(
            metavar="SCOPE", help="read, import or manage (keys, webhooks); can be repeated. [default: read, import]"
        ),
    ] = None,
    days: Annotated[
        int | None,
        typer.Option(metavar="N", help="After how many days it ends. [default: never]", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Create a key and print it. It is shown only once: only its hash is stored."""
    scopes = set(scope or (Scope.READ, Scope.IMPORT))
    with open_record() as record, explain_refusals({"practice_id": f"--practice {practice}", "days": f"--days {days}"}):
        made = api_keys.add(record.database, practice, name, scopes, days=days)
    print_secret(made.secret, made.key_id, as_json, what="key")


@api_key_app.command("list")
def show(practice: Practice, as_json: AsJson = False) -> None:
    """List a practice's keys, newest first, each by its first characters."""
    with open_record() as record:
        rows = api_keys.listing(record.database, practice)
    say_list(rows, as_json, _result, _table, empty="There are no API keys.")


def _table(rows: Sequence[ApiKey]) -> Table:
    made = table("Key", "Begins", "Scopes", "Used", "Ends", "For", no_wrap=[0])
    now = datetime.now(UTC)
    for row in rows:
        ends = f"{utc(row.ends_at)}{': replace it' if api_keys.is_ending(row, now) else ''}"
        made.add_row(str(row.id), row.hint, ", ".join(row.scopes), short_utc(row.last_used_at), ends, clean(row.name))
    return made


@api_key_app.command("rotate")
def rotate(key: KeyId, practice: Practice, as_json: AsJson = False) -> None:
    """Replace a key; the old one works for another day."""
    with open_record() as record, explain_refusals({"key_id": f"KEY {key}"}):
        made = api_keys.rotate(record.database, key, practice_id=practice)
    print_secret(made.secret, made.key_id, as_json, what="key")


@api_key_app.command("revoke")
def revoke(key: KeyId, practice: Practice) -> None:
    """Revoke a key now; programs that use it are refused at once."""
    with open_record() as record, explain_refusals({"key_id": f"KEY {key}"}):
        api_keys.revoke(record.database, key, practice_id=practice)
    say("Revoked.")


def _result(row: ApiKey) -> dict[str, Any]:
    return {
        **fields(row, "id name hint scopes created_at made_by last_used_at ends_at"),
        "is_ending": api_keys.is_ending(row, datetime.now(UTC)),
    }
