"""Amending: the same import with a new revision, validated at once; after creation only a login that nobody activated."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from handlers.access.activation import activation_token
from handlers.access.tokens import hashed
from handlers.errors import RequestRefused
from handlers.imports.amend import amend
from handlers.imports.cancel import cancel
from handlers.imports.welcome_email import resend
from handlers.operations.dead_letters import dismiss
from handlers.operations.housekeeping import keep_house
from portal_db.states import ClientType, EmailState, ImportState, JobState, Subscription
from tests.handlers.given import client_of, find, is_company, run_only, take_login, values_of
from tests.handlers.operations import given as ops
from tests.making import importable
from tests.racing import at_once
from tests.world import World
from worker.local.mail_catcher import Behaviour
from xpm.simulator.serve import SimulatorHandle


def rejected(world: World, simulator: SimulatorHandle, **fields: Any) -> UUID:
    """An import that was turned down for its email."""
    import_id = ops.ask(world, simulator, email="nobody", **fields)
    world.run_due()
    assert world.import_row(import_id).state is ImportState.REJECTED
    return import_id


def outlive_jobs(world: World, import_id: UUID) -> None:
    """So long goes by that housekeeping deletes the import's jobs."""
    world.pass_time(91 * 86_400)
    keep_house(world.database, world.services.settings)
    assert world.jobs_of(import_id) == {}


def login_email(world: World) -> object:
    return world.scalar("select l.email from logins l join clients c on c.login_id = l.id")


def test_a_rejected_import_succeeds_with_another_email(world: World, simulator: SimulatorHandle) -> None:
    # Given an import whose email is none
    act = ops.operator(world)
    import_id = rejected(world, simulator, send_welcome_email=True)
    # When it is corrected
    done = amend(world.database, act, import_id, {"email": "Mia@Moss.example"})
    # Then the same import goes on from validation, as its second revision and epoch
    assert (done.revision, done.changed, done.state) == (2, ("email",), ImportState.ACCEPTED)
    assert ops.holds_together(world, import_id) is ImportState.ACCEPTED
    world.run_due()
    assert ops.holds_together(world, import_id) is ImportState.SUCCEEDED
    row = world.import_row(import_id)
    assert (row.revision, row.epoch, row.outcome_code) == (2, 2, None)
    assert login_email(world) == "Mia@moss.example"
    assert [delivery.recipient for delivery in world.mail.deliveries()] == ["Mia@moss.example"]
    # And who did it is known, without the address
    entries = ops.history_of(world, "import", import_id)
    assert ("import.amend", "revision 1", "revision 2: email", "ticket 7") in entries
    assert ("import.reopen", "epoch 1", "epoch 2", "ticket 7") in entries
    assert world.scalar("select count(*) from audit where coalesce(before,'')||coalesce(after,'')||why like '%@%'") == 0


def test_a_rejected_import_is_amended_after_its_jobs_were_deleted(
    sqlite_world: World, simulator: SimulatorHandle
) -> None:
    # Given a rejected import, and housekeeping after 90 days
    world, act = sqlite_world, ops.operator(sqlite_world)
    import_id = rejected(world, simulator)
    outlive_jobs(world, import_id)
    # When it is corrected
    done = amend(world.database, act, import_id, {"email": "mia@moss.example"})
    # Then it is validated again, in a new epoch
    assert (done.revision, done.state) == (2, ImportState.ACCEPTED)
    [job] = world.jobs_of(import_id).values()
    assert (job.kind, job.state, job.epoch, job.interactive) == ("validate_import", JobState.QUEUED, 2, True)


def test_everything_that_can_be_amended_before_creation(sqlite_world: World, simulator: SimulatorHandle) -> None:
    world, act = sqlite_world, ops.operator(sqlite_world)
    import_id = rejected(world, simulator)
    wishes = {"email": "mia@moss.example", "name": "Mia Moss", "client_type": ClientType.BUSINESS,
              "subscription": Subscription.PRO, "send_welcome_email": True}  # fmt: skip
    amend(world.database, act, import_id, wishes)
    world.run_due()
    client = client_of(world, world.import_row(import_id))
    assert (client.name, client.client_type, client.subscription) == ("Mia Moss", ClientType.BUSINESS, Subscription.PRO)
    assert len(world.mail.deliveries()) == 1


def test_an_entity_is_amended_by_its_own_inputs(sqlite_world: World, simulator: SimulatorHandle) -> None:
    world, act = sqlite_world, ops.operator(sqlite_world)
    import_id = world.ask(find(simulator, is_company).uuid, "entity")
    ops.die(world, import_id, "validate_import")
    ops.refused(lambda: amend(world.database, act, import_id, {"email": "a@b.example"}), "bad_request")
    amend(world.database, act, import_id, {"name": "Moss Trust", "entity_type": "Trust"})
    world.run_due()
    assert ops.holds_together(world, import_id) is ImportState.SUCCEEDED
    client = client_of(world, world.import_row(import_id))
    assert (client.name, client.entity_type) == ("Moss Trust", "Trust")


def test_the_dead_letter_of_an_amended_import_is_taken_out(world: World, simulator: SimulatorHandle) -> None:
    """Another job does its work; its history stays, and it cannot be requeued beside it."""
    act = ops.operator(world)
    import_id, job_id = ops.dead_validation(world, simulator)
    amend(world.database, act, import_id, {"name": "Mia Moss"})
    assert ops.job_of(world, job_id).state is JobState.DISMISSED
    assert ops.history_of(world, "job", job_id) == [("job.supersede", "dead", "dismissed", "ticket 7")]
    world.run_due()
    assert ops.holds_together(world, import_id) is ImportState.SUCCEEDED


def test_an_import_amended_after_its_creation_failed_is_judged_by_the_new_run(
    sqlite_world: World, simulator: SimulatorHandle
) -> None:
    """Its first creation is dead; the second run is turned down in validation, and that is what the requester is told."""
    world, act = sqlite_world, ops.operator(sqlite_world)
    import_id = ops.ask(world, simulator)
    run_only(world, import_id, "validate_import")
    ops.die(world, import_id, "create_client")
    amend(world.database, act, import_id, {"email": "mia@moss.example"})
    take_login(world, "mia@moss.example")
    world.run_due()
    assert ops.holds_together(world, import_id) is ImportState.REJECTED
    assert world.import_row(import_id).outcome_code == "email_taken"


def test_an_amended_import_that_is_cancelled_is_cancelled(sqlite_world: World, simulator: SimulatorHandle) -> None:
    """Not rejected, as it was before."""
    world, act = sqlite_world, ops.operator(sqlite_world)
    import_id = ops.ask(world, simulator, email="mia@moss.example")
    run_only(world, import_id, "validate_import")
    take_login(world, "mia@moss.example")
    run_only(world, import_id, "create_client")
    assert ops.holds_together(world, import_id) is ImportState.REJECTED
    amend(world.database, act, import_id, {"email": "mia2@moss.example"})
    cancel(world.database, act, import_id)
    assert ops.holds_together(world, import_id) is ImportState.CANCELLED


@pytest.mark.parametrize(
    ("wishes", "code", "field"),
    [
        ({"email": "nobody at all"}, "email_invalid", "email"),
        ({"email": "taken@moss.example"}, "email_taken", "email"),
        ({"email": "TAKEN@moss.example"}, "email_taken", "email"),
        ({"email": "a@b.example\nBcc: c@d.example"}, "bad_request", "email"),
        ({"email": "nobody"}, "bad_request", None),
        ({"name": " "}, "bad_request", "name"),
        ({"name": "x" * 501}, "bad_request", "name"),
        ({"entity_type": "Trust"}, "bad_request", "entity_type"),
        ({"subscription": "Gold"}, "bad_request", "subscription"),
        ({"xpm_uuid": str(uuid4())}, "bad_request", "xpm_uuid"),
        ({"practice_id": str(uuid4())}, "bad_request", "practice_id"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_at_once_and_changes_nothing(
    sqlite_world: World, simulator: SimulatorHandle, wishes: dict[str, Any], code: str, field: str | None
) -> None:
    world, act = sqlite_world, ops.operator(sqlite_world)
    take_login(world, "taken@moss.example")
    import_id = rejected(world, simulator)
    refusal = ops.refused(lambda: amend(world.database, act, import_id, wishes), code)
    assert refusal.field == field
    assert refusal.remedy
    assert all(str(value) not in refusal.message for value in wishes.values() if len(str(value)) > 1)
    row = world.import_row(import_id)
    assert (row.revision, row.epoch, row.state, row.email) == (1, 1, ImportState.REJECTED, "nobody")
    assert ops.acts(world) == []


def test_an_earlier_row_of_the_batch_keeps_its_email(sqlite_world: World, simulator: SimulatorHandle) -> None:
    """b.10 holds for corrections too."""
    world, act = sqlite_world, ops.operator(sqlite_world)
    rows = [world.request(importable(simulator)[number].uuid, email=email)
            for number, email in enumerate(("one@moss.example", "nobody"))]  # fmt: skip
    _, second = world.ask_batch(rows)
    run_only(world, second, "validate_import")
    world.run_due()
    refusal = ops.refused(lambda: amend(world.database, act, second, {"email": "one@moss.example"}), "email_taken")
    assert refusal.field == "email"


def test_what_is_open_or_succeeded_is_not_amended(sqlite_world: World, simulator: SimulatorHandle) -> None:
    world, act = sqlite_world, ops.operator(sqlite_world)
    import_id = ops.ask(world, simulator)
    for _ in range(2):
        ops.refused(lambda: amend(world.database, act, import_id, {"email": "a@b.example"}), "not_amendable")
        world.run_due()
    ops.refused(lambda: amend(world.database, act, uuid4(), {"email": "a@b.example"}), "unknown_import")


def test_what_was_created_elsewhere_meanwhile_is_not_amended(sqlite_world: World, simulator: SimulatorHandle) -> None:
    world, act = sqlite_world, ops.operator(sqlite_world)
    import_id = rejected(world, simulator)
    other = ops.ask(world, simulator)
    world.run_due()
    refusal = ops.refused(lambda: amend(world.database, act, import_id, {"email": "a@b.example"}), "done_elsewhere")
    assert str(other) in refusal.message


# ---- after creation ----


@pytest.fixture
def refused_email(world: World, simulator: SimulatorHandle) -> UUID:
    """An import that is done but for its welcome email, whose address the mail server refused."""
    world.mail.behave(Behaviour(refuse={"*": "550 5.1.1 No such mailbox"}))
    import_id = ops.ask(world, simulator, email="wrong@moss.example", send_welcome_email=True)
    world.run_due()
    world.mail.behave(Behaviour())
    assert world.import_row(import_id).outcome_code == "email_refused"
    return import_id


def test_a_login_nobody_activated_takes_the_new_email_and_the_welcome_goes_there(
    world: World, refused_email: UUID
) -> None:
    act = ops.operator(world)
    before = ops.email_of(world, refused_email)
    done = amend(world.database, act, refused_email, {"email": "right@moss.example"})
    assert (done.revision, done.sends_email) == (2, True)
    world.run_due()
    assert ops.holds_together(world, refused_email) is ImportState.SUCCEEDED
    assert [delivery.recipient for delivery in world.mail.deliveries()] == ["right@moss.example"]
    assert login_email(world) == "right@moss.example"
    assert values_of(world, world.import_row(refused_email))["email"] == "right@moss.example"
    assert world.scalar("select count(*) from clients") == 1
    # The link of the old address leads nowhere
    after = ops.email_of(world, refused_email)
    assert (before.version, after.version) == (1, 2)
    assert after.token_hash == hashed(activation_token(world.services, after.id, 2)) != before.token_hash


def test_a_refused_email_is_sent_to_the_new_address_after_its_job_was_deleted(
    world: World, refused_email: UUID
) -> None:
    # Given an import whose email was refused, and housekeeping after 90 days
    act = ops.operator(world)
    outlive_jobs(world, refused_email)
    # When the address is corrected
    done = amend(world.database, act, refused_email, {"email": "right@moss.example"})
    # Then the import is open until the email has gone there
    assert (done.state, done.sends_email) == (ImportState.IN_PROGRESS, True)
    world.run_due()
    assert [delivery.recipient for delivery in world.mail.deliveries()] == ["right@moss.example"]
    assert ops.email_of(world, refused_email).state is EmailState.SENT
    assert world.import_row(refused_email).state is ImportState.SUCCEEDED


def test_an_import_whose_jobs_were_deleted_keeps_its_state(sqlite_world: World, simulator: SimulatorHandle) -> None:
    # Given an import without its details, whose email was sent, and housekeeping after 90 days
    world, act = sqlite_world, ops.operator(sqlite_world)
    import_id, job_id = ops.dead_details(world, simulator, send_welcome_email=True)
    dismiss(world.database, act, job_id)
    outlive_jobs(world, import_id)
    # When the address is corrected
    done = amend(world.database, act, import_id, {"email": "right@moss.example"})
    # Then nothing was done that would make it succeed
    assert (done.state, done.sends_email) == (ImportState.PARTLY_SUCCEEDED, False)
    row = world.import_row(import_id)
    assert (row.state, row.epoch) == (ImportState.PARTLY_SUCCEEDED, 1)


def test_the_email_of_a_client_that_exists_is_not_taken_away(world: World, refused_email: UUID) -> None:
    act = ops.operator(world)
    refusal = ops.refused(lambda: amend(world.database, act, refused_email, {"email": None}), "bad_request")
    assert refusal.field == "email"
    assert login_email(world) == "wrong@moss.example"
    assert world.import_row(refused_email).revision == 1


def test_an_email_that_reached_the_wrong_person_has_a_dead_link_from_then_on(
    sqlite_world: World, simulator: SimulatorHandle
) -> None:
    """It is not sent to the new address by itself; operations may then send one."""
    world, act = sqlite_world, ops.operator(sqlite_world)
    import_id, _ = ops.dead_details(world, simulator, send_welcome_email=True)
    email = ops.email_of(world, import_id)
    assert (email.state, email.token_hash is None) == (EmailState.SENT, False)
    ops.refused(lambda: resend(world.database, act, email.id), "email_sent")
    done = amend(world.database, act, import_id, {"email": "right@moss.example"})
    assert done.sends_email is False
    assert ops.holds_together(world, import_id) is ImportState.PARTLY_SUCCEEDED
    revoked = ops.email_of(world, import_id)
    assert (revoked.state, revoked.token_hash, revoked.token_expires_at) == (EmailState.SENT, None, None)
    resend(world.database, act, email.id)
    world.run_due()
    assert [delivery.recipient for delivery in world.mail.deliveries()][1:] == ["right@moss.example"]


@pytest.mark.parametrize("is_late", [False, True], ids=["soon", "after its job was deleted"])
def test_an_email_of_unknown_outcome_has_a_dead_link_after_a_correction(
    sqlite_world: World, simulator: SimulatorHandle, is_late: bool
) -> None:
    """It may have arrived, where operations did not want to send it again."""
    world, act = sqlite_world, ops.operator(sqlite_world)
    import_id, _ = ops.unknown_email(world, simulator, delivered=True)
    dismiss(world.database, act, world.jobs_of(import_id)[ops.EMAIL].id)
    assert ops.email_of(world, import_id).token_hash is not None
    if is_late:
        outlive_jobs(world, import_id)
    assert not amend(world.database, act, import_id, {"email": "right@moss.example"}).sends_email
    assert ops.email_of(world, import_id).token_hash is None


def test_only_the_import_that_made_the_client_corrects_its_login(
    sqlite_world: World, simulator: SimulatorHandle
) -> None:
    """Another one of the client is amended while the welcome email may be on its way."""
    world, act = sqlite_world, ops.operator(sqlite_world)
    made = ops.ask(world, simulator, email="mia@moss.example")
    world.run_due()
    brought = ops.bring_details(world, made)
    ops.die(world, brought, "import_details")
    assert world.import_row(brought).state is ImportState.PARTLY_SUCCEEDED
    ops.refused(lambda: amend(world.database, act, brought, {"email": "x@moss.example"}), "not_amendable")
    assert login_email(world) == "mia@moss.example"


def test_an_activated_login_is_its_owner_s(world: World, refused_email: UUID) -> None:
    act = ops.operator(world)
    ops.activate(world)
    refusal = ops.refused(
        lambda: amend(world.database, act, refused_email, {"email": "right@moss.example"}), "login_activated"
    )
    assert refusal.field == "email"
    assert login_email(world) == "wrong@moss.example"
    assert ops.holds_together(world, refused_email) is ImportState.PARTLY_SUCCEEDED


def test_a_taken_email_is_refused_by_the_index(world: World, refused_email: UUID) -> None:
    act = ops.operator(world)
    take_login(world, "right@moss.example")
    ops.refused(lambda: amend(world.database, act, refused_email, {"email": "Right@moss.example"}), "email_taken")
    assert login_email(world) == "wrong@moss.example"
    assert world.import_row(refused_email).revision == 1


def test_other_inputs_of_a_client_that_exists_are_changed_there(world: World, refused_email: UUID) -> None:
    act = ops.operator(world)
    for field, value in (("name", "Mia"), ("subscription", "Pro"), ("send_welcome_email", False)):
        refusal = ops.refused(
            lambda field=field, value=value: amend(world.database, act, refused_email, {field: value}),  # type: ignore[misc]
            "client_exists",
        )
        assert refusal.field == field


def test_of_two_who_correct_a_login_one_is_told(world: World, refused_email: UUID) -> None:
    ada, bo = ops.operator(world, "Ada"), ops.operator(world, "Bo")
    results = at_once(
        lambda: amend(world.database, ada, refused_email, {"email": "a@moss.example"}),
        lambda: amend(world.database, bo, refused_email, {"email": "b@moss.example"}),
    )
    [refusal] = [result for result in results if isinstance(result, Exception)]
    assert isinstance(refusal, RequestRefused)
    assert refusal.code == "not_amendable"
    world.run_due()
    assert len(world.mail.deliveries()) == 1
    assert ops.holds_together(world, refused_email) is ImportState.SUCCEEDED
