"""The commands of `producer`: the secret is shown once, and each step leaves an audit row."""

from __future__ import annotations

from uuid import uuid4

from portal_db.database import Database
from tests.worker.cli.conftest import Cli


def test_a_producer_is_added_listed_rotated_and_revoked(cli: Cli, sqlite_url: str) -> None:
    cli("db", "upgrade")
    practices = [cli("practice", "add", name, "--time-zone", "UTC", "--json").json()["id"] for name in ("A", "B")]
    assert cli("producer", "list").out == "There are no producers.\n"
    of = [word for each in practices for word in ("--practice", each)]
    made = cli("producer", "add", "Practice desk", *of, "--json").json()
    assert made["secret"].startswith("pqs_")

    [shown] = cli("producer", "list", "--json").json()
    assert (shown["id"], shown["name"], shown["revoked_at"]) == (made["id"], "Practice desk", None)
    assert sorted(shown["practice_ids"]) == sorted(practices)
    assert made["secret"] not in cli("producer", "list").out

    again = cli("producer", "rotate", made["id"], "--json").json()
    assert (again["id"], again["secret"] != made["secret"]) == (made["id"], True)
    assert cli("producer", "revoke", made["id"]).out == "Revoked.\n"
    for command in ("rotate", "revoke"):
        gone = cli("producer", command, made["id"])
        assert (gone.code, "There is no producer with this id" in gone.err) == (1, True)
    assert cli("producer", "list", "--json").json()[0]["revoked_at"]

    database = Database(sqlite_url)
    with database.read() as tx:
        rows = tx.connection.exec_driver_sql("SELECT action FROM audit WHERE subject = 'producer'")
        assert sorted(rows.scalars()) == ["producer.add", "producer.add", "producer.revoke", "producer.rotate"]
    database.close()


def test_a_producer_serves_practices_that_exist(cli: Cli) -> None:
    cli("db", "upgrade")
    assert cli("producer", "add", "Practice desk").code == 2
    unknown = cli("producer", "add", "Practice desk", "--practice", uuid4())
    assert (unknown.code, "There is no practice with this id." in unknown.err) == (1, True)
