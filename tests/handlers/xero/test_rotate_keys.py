"""Key rotation: afterwards the newest key alone reads everything, and nothing that was renewed meanwhile is put back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cryptography.fernet import Fernet, MultiFernet
from pydantic import SecretStr

from handlers.operations import rotate_keys
from handlers.operations.rotate_keys import Rotated, rotate
from portal_db import webhooks
from portal_db.access import producers
from portal_db.database import Database, Tx
from portal_db.states import ImportState
from portal_db.work import malformed_messages
from portal_db.xero import logins as xero_logins
from tests.handlers.xero.office import Office

OLD, NEW = Fernet(Fernet.generate_key()), Fernet(Fernet.generate_key())


def add_logins(database: Database, count: int) -> None:
    with database.write() as tx:
        for number in range(count):
            row = {
                "id": tx.new_id(),
                "xero_user_id": f"user-{number}",
                "access_token": OLD.encrypt(f"access-{number}".encode()),
                "refresh_token": OLD.encrypt(f"refresh-{number}".encode()) if number % 2 else None,
                "access_expires_at": datetime.now(UTC) + timedelta(seconds=900),
            }
            xero_logins.store_consented(tx, row)
        malformed_messages.keep(tx, queue="q", reason="r", payload=OLD.encrypt(b"message"), digest="d")


def add_webhook(office: Office) -> None:
    with office.world.database.write() as tx:
        row = {"id": tx.new_id(), "practice_id": office.world.practice_id, "url": "https://hooks.example", "events": []}
        webhooks.add(tx, {**row, "secret": OLD.encrypt(b"secret")})


def add_producer(office: Office) -> None:
    with office.world.database.write() as tx:
        row = {"id": tx.new_id(), "name": "Desk", "secret": OLD.encrypt(b"secret")}
        producers.add(tx, row, [office.world.practice_id])


def logins(tx: Tx) -> list[tuple[str, bytes | None, bytes | None, int]]:
    """By number; ids made within one millisecond come in any order."""
    rows = [row for row in xero_logins.page(tx, after=None, limit=1000) if row.xero_user_id.startswith("user-")]
    rows.sort(key=lambda row: int(row.xero_user_id.removeprefix("user-")))
    return [(row.xero_user_id, row.access_token, row.refresh_token, row.version) for row in rows]


def test_the_newest_key_alone_reads_everything(both_offices: Office) -> None:
    database = both_offices.world.database
    add_logins(database, rotate_keys.BATCH + 3)
    add_webhook(both_offices)
    add_producer(both_offices)
    mine = MultiFernet([NEW, OLD, *_keys(both_offices)])
    # 53 of ours, and the two of the fixtures
    assert rotate(database, mine) == Rotated(
        logins=rotate_keys.BATCH + 5, messages=1, webhooks=1, producers=1, second_factors=0, unreadable=0
    )
    with database.read() as tx:
        rows, [message] = logins(tx), malformed_messages.page(tx, after=None, limit=10)
        [endpoint] = webhooks.page(tx, after=None, limit=10)
        [producer] = producers.page(tx, after=None, limit=10)
    assert NEW.decrypt(producer.secret or b"") == b"secret"
    assert NEW.decrypt(endpoint.secret or b"") == b"secret"
    assert NEW.decrypt(message.payload) == b"message"
    assert len(rows) == rotate_keys.BATCH + 3
    for name, access, refresh, version in rows:
        number = int(name.removeprefix("user-"))
        assert NEW.decrypt(access or b"") == f"access-{number}".encode()
        assert (refresh is not None) == bool(number % 2)
        assert refresh is None or NEW.decrypt(refresh) == f"refresh-{number}".encode()
        assert version == 1


def test_imports_go_on_with_the_old_key_gone(office: Office) -> None:
    [old] = _keys(office)
    key = Fernet.generate_key()
    rotate(office.world.database, MultiFernet([Fernet(key), old]))
    settings = office.world.services.settings.model_copy(update={"token_keys": (SecretStr(key.decode()),)})
    settings.__dict__.pop("vault", None)
    office.grants.expire_all()
    import_id = office.ask()
    office.world.runner(services=replace(office.world.services, settings=settings)).run(office.job(import_id).id)
    assert office.world.import_row(import_id).state is ImportState.SUCCEEDED


def test_what_no_key_reads_is_counted_and_left(both_offices: Office) -> None:
    database = both_offices.world.database
    add_logins(database, 2)
    done = rotate(database, MultiFernet([NEW, *_keys(both_offices)]))
    assert done == Rotated(logins=2, messages=0, webhooks=0, producers=0, second_factors=0, unreadable=3)
    with database.read() as tx:
        assert OLD.decrypt(logins(tx)[0][1] or b"") == b"access-0"


def test_tokens_renewed_meanwhile_are_never_put_back(office: Office) -> None:
    database = office.world.database
    login = office.login()
    office.reconnect()
    with database.write() as tx:
        assert not xero_logins.reseal(tx, login.id, version=login.version, access=b"old", refresh=b"old")
    assert office.login().access_token != b"old"


def _keys(office: Office) -> list[Fernet]:
    return [Fernet(key.get_secret_value()) for key in office.world.services.settings.token_keys]
