"""A lost connection: its jobs wait for the practice to reconnect, go on by themselves, and give up after 72 hours."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import update

from config.settings import Settings
from handlers.errors import ConnectionLost
from handlers.registry import HANDLERS
from handlers.services import Services
from portal_db.states import ConnectionState, ImportState, JobState
from portal_db.tables import Job, XeroLogin, XpmConnection
from tests.handlers.given import fields_of, find, run_only, runner_of, set_connection, written
from tests.handlers.one_job import fetch_one, with_one
from tests.world import World, is_importable_person
from xpm.client import XpmApi
from xpm.limiter import UnlimitedLimiter
from xpm.simulator.serve import SimulatorHandle

HOUR = 3600.0


def set_access(world: World, *, token: str) -> None:
    """The connection's Xero login has this access token."""
    with world.database.write() as tx:
        stored = world.services.settings.vault.encrypt(token.encode())
        tx.session.execute(update(XeroLogin).values(access_token=stored))


def ask(world: World, simulator: SimulatorHandle) -> UUID:
    return world.ask(find(simulator, is_importable_person).uuid)


def test_a_broken_connection_makes_its_imports_wait(world: World, simulator: SimulatorHandle) -> None:
    set_connection(world, ConnectionState.BROKEN)
    import_id = ask(world, simulator)
    world.run_due()
    job = world.jobs_of(import_id)["validate_import"]
    assert world.import_row(import_id).state is ImportState.WAITING
    assert (job.state, job.error_code) == (JobState.WAITING, "reconnect_xpm")
    assert "Reconnect XPM" in (job.error_action or "")
    assert job.next_attempt_at is not None
    assert (job.attempts, job.deferrals) == (0, 1)
    assert written(world) == {}


def test_what_waited_goes_on_once_the_connection_is_back(world: World, simulator: SimulatorHandle) -> None:
    set_connection(world, ConnectionState.BROKEN)
    import_id = ask(world, simulator)
    world.run_due()
    set_connection(world, ConnectionState.CONNECTED)
    world.pass_time(HOUR)
    world.run_due()
    assert world.import_row(import_id).state is ImportState.SUCCEEDED


def test_a_reconnect_while_the_loss_is_being_noted_is_not_missed(world: World, simulator: SimulatorHandle) -> None:
    """It woke nobody: the job was still running. So the job goes on at once instead of looking again in five minutes."""
    set_connection(world, ConnectionState.BROKEN)
    import_id = ask(world, simulator)

    def fetch(services: Services, job: Job) -> object:
        try:
            return fetch_one(HANDLERS["validate_import"], services, job)
        except ConnectionLost:
            set_connection(world, ConnectionState.CONNECTED)
            raise

    kinds = {"validate_import": with_one(HANDLERS["validate_import"], fetch=fetch)}
    runner_of(world, kinds).run(world.jobs_of(import_id)["validate_import"].id)
    assert world.jobs_of(import_id)["validate_import"].state is JobState.WAITING
    world.run_due()
    assert world.import_row(import_id).state is ImportState.SUCCEEDED


def test_after_72_hours_the_import_fails_and_says_reconnect(world: World, simulator: SimulatorHandle) -> None:
    set_connection(world, ConnectionState.BROKEN)
    import_id = ask(world, simulator)
    world.run_due()

    world.pass_time(71.9 * HOUR)
    world.run_due()
    assert world.import_row(import_id).state is ImportState.WAITING

    world.pass_time(0.1 * HOUR)
    world.run_due()
    row = world.import_row(import_id)
    assert (row.state, row.outcome_code) == (ImportState.FAILED, "reconnect_xpm")
    assert "Reconnect XPM" in (row.outcome_remedy or "")
    assert world.states_of(import_id) == {"validate_import": JobState.DEAD}
    assert written(world) == {}


def test_the_72_hours_begin_anew_with_each_loss(sqlite_world: World, simulator: SimulatorHandle) -> None:
    """Lost for 71 hours, back with XPM away, lost again: nobody has waited for 72 hours."""
    world = sqlite_world
    set_connection(world, ConnectionState.BROKEN)
    import_id = ask(world, simulator)
    world.run_due()
    world.pass_time(71 * HOUR)
    set_connection(world, ConnectionState.CONNECTED)
    unreachable = replace(world.services, xpm=XpmApi("http://127.0.0.1:1", UnlimitedLimiter(), sleep=lambda _: None))
    run_only(world, import_id, "validate_import", unreachable)
    assert world.jobs_of(import_id)["validate_import"].error_code == "xpm_unreachable"
    set_connection(world, ConnectionState.BROKEN)
    world.pass_time(2 * HOUR)
    world.run_due()
    assert world.import_row(import_id).state is ImportState.WAITING


def test_a_token_that_xero_refuses_is_a_lost_connection_too(own_world: World, own_simulator: SimulatorHandle) -> None:
    set_access(own_world, token="revoked")
    import_id = ask(own_world, own_simulator)
    own_world.run_due()
    own_world.pass_time(60)
    own_world.run_due()
    assert own_world.jobs_of(import_id)["validate_import"].error_code == "reconnect_xpm"
    assert own_world.import_row(import_id).state is ImportState.WAITING

    set_access(own_world, token=own_simulator.config.access_token)
    set_connection(own_world, ConnectionState.CONNECTED)
    own_world.pass_time(HOUR)
    own_world.run_due()
    assert own_world.import_row(import_id).state is ImportState.SUCCEEDED


def test_a_tenant_that_xero_denies_is_a_lost_connection_too(sqlite_world: World, simulator: SimulatorHandle) -> None:
    with sqlite_world.database.write() as tx:
        tx.session.execute(update(XpmConnection).values(tenant_id="not-ours"))
    import_id = ask(sqlite_world, simulator)
    sqlite_world.run_due()
    sqlite_world.pass_time(60)
    sqlite_world.run_due()
    assert sqlite_world.jobs_of(import_id)["validate_import"].error_code == "reconnect_xpm"


def test_a_token_of_other_keys_is_for_operations(sqlite_world: World, simulator: SimulatorHandle) -> None:
    """Nobody at the practice can mend TOKEN_KEYS; the import fails at once and says which setting it is."""
    other = Settings(database_url=sqlite_world.services.settings.database_url, token_keys=_other_key())
    import_id = ask(sqlite_world, simulator)
    run_only(sqlite_world, import_id, "validate_import", replace(sqlite_world.services, settings=other))
    row = sqlite_world.import_row(import_id)
    assert (row.state, row.outcome_code) == (ImportState.FAILED, "token_unreadable")
    assert "TOKEN_KEYS" in (row.outcome_remedy or "")


def test_a_connection_lost_after_creation_leaves_the_client(own_world: World, own_simulator: SimulatorHandle) -> None:
    """72 hours later what was created stays, and the import is partly done with the reason."""
    import_id = ask(own_world, own_simulator)
    for kind in ("validate_import", "create_client"):
        run_only(own_world, import_id, kind)
    set_connection(own_world, ConnectionState.BROKEN)
    own_world.run_due()
    assert own_world.import_row(import_id).state is ImportState.WAITING
    own_world.pass_time(72 * HOUR)
    own_world.run_due()
    row = own_world.import_row(import_id)
    assert (row.state, row.outcome_code) == (ImportState.PARTLY_SUCCEEDED, "reconnect_xpm")
    assert set(fields_of(own_world, row)) == {"name", "email"}


def _other_key() -> tuple[SecretStr, ...]:
    return (SecretStr(Fernet.generate_key().decode()),)
