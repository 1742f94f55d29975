"""The commands of `producer`: programs that request imports by queue message, and the secrets that they sign with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.table import Table

from handlers.access import producers
from portal_db.access.producers import KnownProducer
from worker.cli.database import open_record
from worker.cli.exits import explain_refusals
from worker.cli.output import AsJson, clean, fields, print_secret, say, say_list, table, utc

producer_app = typer.Typer(no_args_is_help=True, help="Programs that request imports by queue message.")

ProducerId = Annotated[UUID, typer.Argument(metavar="PRODUCER", help="The producer's id.", show_default=False)]


@producer_app.command("add")
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Which program it is.", show_default=False)],
    practice: Annotated[
        list[UUID],
        typer.Option(
            metavar="ID", help="A practice that it may request imports for; can be repeated.", show_default=False
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Add a producer and print the secret that it signs with. The secret is shown only once."""
    with open_record() as record, explain_refusals({"practice_id": "--practice"}):
        made = producers.add(record.database, record.settings.vault, name, practice)
    print_secret(made.secret, made.producer_id, as_json)


@producer_app.command("list")
def show(as_json: AsJson = False) -> None:
    """List the producers, newest first, with the practices that each serves."""
    with open_record() as record:
        rows = producers.listing(record.database)
    say_list(rows, as_json, _result, _table, empty="There are no producers.")


@producer_app.command("rotate")
def rotate(producer: ProducerId, as_json: AsJson = False) -> None:
    """Replace a producer's secret; the old one is accepted for another day."""
    with open_record() as record, explain_refusals({"producer_id": f"PRODUCER {producer}"}):
        made = producers.rotate(record.database, record.settings.vault, producer)
    print_secret(made.secret, made.producer_id, as_json)


@producer_app.command("revoke")
def revoke(producer: ProducerId) -> None:
    """Revoke a producer now; what it has signed is refused at once."""
    with open_record() as record, explain_refusals({"producer_id": f"PRODUCER {producer}"}):
        producers.revoke(record.database, producer)
    say("Revoked.")


def _table(rows: Sequence[KnownProducer]) -> Table:
    made = table("Producer", "Name", "Practices", "Since", "Revoked", no_wrap=[0])
    for row in rows:
        practices = ", ".join(map(str, row.practice_ids))
        known = row.producer
        made.add_row(str(known.id), clean(known.name), practices, utc(known.created_at), utc(known.revoked_at))
    return made


def _result(row: KnownProducer) -> dict[str, Any]:
    return {**fields(row.producer, "id name created_at revoked_at"), "practice_ids": row.practice_ids}
