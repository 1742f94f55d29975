"""`directory syncs`: what syncs brought to relationships, for people and for scripts."""

from __future__ import annotations

import json
from uuid import UUID, uuid4

from handlers.access.practices import add_practice
from portal_db.database import Database
from portal_db.directory import directories, resyncs
from portal_db.types import db_now
from portal_db.xero import logins as upstream
from tests.worker.cli.conftest import Cli


def directory_of(database: Database) -> UUID:
    with database.write() as tx:
        tokens = {"access_token": b"x", "refresh_token": None, "access_expires_at": db_now()}
        login_id = upstream.store_consented(tx, {"id": tx.new_id(), "xero_user_id": "kim", **tokens})
        return directories.ensure(tx, login_id, "tenant").id


def test_what_syncs_brought_is_listed_by_practice(cli: Cli, migrated: Database) -> None:
    directory_id = directory_of(migrated)
    assert cli("directory", "syncs", str(directory_id)).out == "No sync has changed any relationships.\n"
    practice_id = add_practice(migrated, "Harbour \u202eLtd", time_zone="Australia/Sydney", mfa_mandatory=True)
    sync_id = uuid4()
    with migrated.write() as tx:
        resyncs.begin(tx, practice_id, directory_id, sync_id)
        resyncs.count(tx, practice_id, sync_id, {"clients": 3, "added": 4, "changed": 2, "ended": 1, "conflicts": 1})
        resyncs.finish(tx, practice_id, sync_id)
    shown = cli("directory", "syncs", str(directory_id))
    assert "\u202e" not in shown.out
    assert max(map(len, shown.out.splitlines())) <= 80
    [told] = json.loads(cli("directory", "syncs", str(directory_id), "--json").out)
    assert (told["sync_id"], told["clients"], told["added"], told["waiting"]) == (str(sync_id), 3, 4, 0)
    assert told["finished_at"] is not None
    assert cli("directory", "syncs", str(uuid4())).code == 1
