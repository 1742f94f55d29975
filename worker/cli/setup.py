"""The commands `db upgrade`, `keys new` and `keys rotate`: the database's tables, and the keys that encrypt tokens."""

from __future__ import annotations

from dataclasses import asdict

import typer
from alembic.util import CommandError
from cryptography.fernet import Fernet

from handlers.operations.rotate_keys import rotate
from portal_db.migrate import (
    LOCK_SECONDS,
    LOCK_TRIES,
    NotAllowed,
    Standing,
    TablesInUse,
    TooNew,
    WrongEncoding,
    standing,
    upgrade,
)
from worker.cli.database import misfit, open_record
from worker.cli.exits import ExitCode, Problem
from worker.cli.output import AsJson, count_of, say_line, say_result


def rotate_keys(as_json: AsJson = False) -> None:
    """Encrypt all tokens again with the first of TOKEN_KEYS.

    To change the key: add the new one at the end of TOKEN_KEYS and restart every process; move it to the front and
    restart; run this; remove the old one and restart.
    """
    with open_record() as record:
        done = rotate(record.database, record.settings.vault)
    counts = (
        f"{count_of(done.logins, 'Xero login')}, {count_of(done.webhooks, 'webhook')},"
        f" {count_of(done.producers, 'producer')}, {count_of(done.second_factors, 'authenticator app')}"
    )
    text = f"Encrypted again: {counts}, {count_of(done.messages, 'message')} that could not be read."
    say_result(as_json, asdict(done), text)
    if done.unreadable:
        raise Problem(
            f"{count_of(done.unreadable, 'row')} cannot be read with any of TOKEN_KEYS: put the key they were written"
            " with back, at the end, and run this again."
        )


db_app = typer.Typer(no_args_is_help=True, help="The database.")
keys_app = typer.Typer(no_args_is_help=True, help="Keys that encrypt tokens at rest.")
keys_app.command("rotate")(rotate_keys)


@db_app.command("upgrade")
def upgrade_database(as_json: AsJson = False) -> None:
    """Migrate the database to this version. Safe to repeat, to run beside workers, and to run twice at once."""
    with open_record(migrated=False) as record:
        try:
            before, after = upgrade(record.database)
        except CommandError:  # Alembic does not know the current revision
            raise Problem(
                "The database is at a revision that this version does not know: use the version that migrated it.",
                ExitCode.UNAVAILABLE,
            ) from None
        except TooNew:
            raise misfit(standing(record.database)) from None
        except WrongEncoding as error:
            raise Problem(
                f"The database is in {error}, which cannot hold every name: create one with ENCODING 'UTF8' TEMPLATE"
                " template0, and put it into DATABASE_URL.",
                ExitCode.UNAVAILABLE,
            ) from None
        except NotAllowed:
            raise Problem(
                "The role of DATABASE_URL may not create tables: make it the owner of the database, or run as its owner"
                " GRANT CREATE, USAGE ON SCHEMA public TO the role.",
                ExitCode.UNAVAILABLE,
            ) from None
        except TablesInUse:
            raise Problem(
                f"A transaction has held a table for {LOCK_SECONDS * LOCK_TRIES} s, so nothing was changed: run this again,"
                " or end the longest transaction that pg_stat_activity shows first.",
                ExitCode.UNAVAILABLE,
            ) from None
        found = standing(record.database)
    words = f"at revision {after} already" if before == after else f"now at revision {after}"
    say_result(as_json, {"before": before, "after": after}, f"The database is {words}.{_beyond(found)}")


@db_app.command("check")
def check_database(as_json: AsJson = False) -> None:
    """Say whether this version works with the database as it is; exit code 3 if not. Changes nothing."""
    with open_record(migrated=False) as record:
        found = standing(record.database)
    if not found.fits and not as_json:
        raise misfit(found)
    say_result(
        as_json,
        {**asdict(found), "fits": found.fits},
        f"The database is at revision {found.current}, and this version works with it.{_beyond(found)}",
    )
    if not found.fits:
        raise typer.Exit(ExitCode.UNAVAILABLE)


def _beyond(found: Standing) -> str:
    return f" A newer version brought it there; this one is at {found.newest}." if found.is_newer else ""


@keys_app.command("new")
def new_key() -> None:
    """Print a new key for TOKEN_KEYS. To rotate, first put it after the old ones: see keys rotate --help."""
    say_line(Fernet.generate_key().decode())
