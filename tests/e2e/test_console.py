"""The operators' console in a browser: a dead letter mended, and two operators at one group."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from uuid import UUID

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import update

from handlers.access.practices import add_operator
from handlers.operations import bulk
from portal_db.states import ErrorClass, ImportState, JobState, OperatorRole
from portal_db.tables import Job
from portal_db.types import db_now
from portal_db.work import leaders
from tests.e2e.browser import WAIT_MS
from tests.e2e.console import Operator, operating
from tests.handlers.operations import given as ops
from tests.making import add, importable, new_job
from tests.web.console.desk import OpsDesk, serving
from tests.web.console.provider import EMAIL, trusted
from tests.world import World
from xpm.simulator.serve import SimulatorHandle


@pytest.fixture
def ops_desk(sqlite_world: World, redis_url: str) -> Iterator[OpsDesk]:
    with serving(sqlite_world, redis_url) as made:
        yield made


def finish(world: World, import_id: UUID) -> ImportState:
    world.run_due()
    return world.import_row(import_id).state


def test_a_dead_letter_is_found_by_its_cause_understood_corrected_and_requeued(
    browser: Browser, ops_desk: OpsDesk, simulator: SimulatorHandle
) -> None:
    world = ops_desk.world
    # Given an import whose welcome email died, and others that died of something else
    letters = [ops.dead_validation(world, simulator, person=person) for person in range(3)]
    import_id = letters[0][0]
    with operating(browser, ops_desk, "Olu Ops") as olu:
        olu.is_sound()
        # Found by its cause
        olu.page.get_by_role("link", name="Inbox").click()
        olu.is_sound()
        olu.page.get_by_role("link", name="Something unexpected went wrong").first.click()
        expect(olu.page.get_by_role("heading", name="Dead letters", exact=True)).to_be_visible()
        olu.is_sound()
        # Understood
        olu.page.locator(f'a[href="/jobs/{letters[0][1]}"]').click()
        expect(olu.page.get_by_text("Requester was told")).to_be_visible()
        olu.is_sound()
        # Its email corrected, and requeued
        olu.page.get_by_role("link", name="Correct its import…").click()
        expect(olu.page.get_by_text("hidden").first).to_be_visible()
        olu.is_sound()
        form = olu.page.locator('form[action$="/amend"]')
        form.get_by_label("New email address").fill("mia@moss.example")
        form.get_by_label("Reason, for the audit trail").fill("ticket 91")
        olu.click("Correct and requeue")
        expect(olu.page.get_by_text("The import is validated again.")).to_be_visible()
        # And it succeeds
        assert finish(world, import_id) is ImportState.SUCCEEDED
        olu.page.reload()
        expect(olu.page.get_by_role("heading", name="Import Succeeded")).to_be_visible()
        for path in (
            "/jobs?ended=yes",
            "/imports",
            f"/practices/{world.practice_id}",
            "/audit",
            "/system",
            "/schedules",
        ):
            olu.go(path)
            olu.is_sound()


def test_of_two_operators_who_requeue_one_group_one_is_told(
    browser: Browser, ops_desk: OpsDesk, simulator: SimulatorHandle
) -> None:
    world = ops_desk.world
    letters = [ops.dead_validation(world, simulator, person=person) for person in range(2)]
    with operating(browser, ops_desk, "Ada") as ada, operating(browser, ops_desk, "Bo") as bo:
        # Both look at the preview
        for each in (ada, bo):
            each.go("/dead")
            each.page.get_by_role("link", name="Requeue all matching…").click()
            expect(each.page.get_by_text("2 dead letters of 1 practice")).to_be_visible()
            each.page.get_by_label("Reason, for the audit trail").fill("the bug is fixed")
        ada.is_sound()
        # The first one's act begins; the second is told
        ada.click("Requeue 2")
        expect(ada.page.get_by_text("Started. The relay carries it out.")).to_be_visible()
        bo.complaints.clear()
        bo.click("Requeue 2")
        expect(bo.page.get_by_text("Ada has requeued 0 of 2")).to_be_visible()
        bo.complaints.clear()  # the browser notes the status 422
        # The act runs to its end
        [bulk_id] = bulk.due(world.database)
        bulk.carry_out_piece(world.database, bulk_id)
        # Its page loads itself again until then
        expect(ada.page.get_by_text("2 of 2")).to_be_visible()
        expect(ada.page.locator('script[src$="again.js"]')).to_have_count(0)
        ada.is_sound()
    assert [finish(world, import_id) for import_id, _ in letters] == [ImportState.SUCCEEDED] * 2


def test_a_thousand_dead_letters_are_requeued_at_a_pace_stopped_and_resumed(
    browser: Browser, ops_desk: OpsDesk
) -> None:
    world = ops_desk.world
    add(world, *(new_job(world) for _ in range(1000)))
    with world.database.write() as tx:
        died = {
            "finished_at": db_now(),
            "error_class": ErrorClass.PERMANENT,
            "error_code": "bug",
            "error_message": "Full.",
        }
        tx.session.execute(update(Job).values(state=JobState.DEAD, **died))

    def carry_out(pieces: int) -> None:
        [bulk_id] = bulk.due(world.database)
        for _ in range(pieces):
            bulk.carry_out_piece(world.database, bulk_id)

    with operating(browser, ops_desk, "Ada") as ada:
        ada.go("/dead")
        ada.page.get_by_role("link", name="Requeue all matching…").click()
        ada.page.get_by_label("Reason, for the audit trail").fill("the disk has room again")
        ada.page.get_by_label("How many start each minute").fill("6000")
        ada.click("Requeue 1,000")
        # After a part of them she stops it
        carry_out(4)
        expect(ada.page.get_by_text("400 of 1,000")).to_be_visible()
        ada.page.get_by_label("Reason to stop").fill("one practice complains")
        ada.click("Stop")
        expect(ada.page.get_by_text("The dead letters it has not reached stay as they are.")).to_be_visible()
        assert bulk.due(world.database) == []
        # Resumed, it goes on where it was
        ada.page.get_by_label("Reason to resume").fill("they are fine")
        ada.click("Resume")
        carry_out(7)
        expect(ada.page.get_by_text("1,000 of 1,000")).to_be_visible()
        ada.is_sound()
    assert world.scalar("SELECT count(*) FROM jobs WHERE state = 'dead'") == 0
    assert world.scalar("SELECT count(*) FROM audit WHERE action = 'job.requeue'") == 1000


def test_the_first_page_renews_itself_and_keys_lead_through_pages(
    browser: Browser, ops_desk: OpsDesk, simulator: SimulatorHandle
) -> None:
    world = ops_desk.world
    with world.database.write() as tx:
        assert leaders.hold(tx, leaders.RELAY, "relay-1", 3600)
    with operating(browser, ops_desk, "Olu Ops", OperatorRole.WATCHER) as olu:
        olu.go("/")
        expect(olu.page.get_by_text("Imports flow. Nothing waits for you.")).to_be_visible()
        ops.dead_validation(world, simulator)
        expect(olu.page.get_by_text("1 dead letter waits for a decision.")).to_be_visible()
        olu.is_sound()
        olu.page.keyboard.press("?")
        expect(olu.page.get_by_role("heading", name="Keys")).to_be_visible()
        olu.is_sound()
        olu.page.keyboard.press("Escape")
        olu.go("/dead")
        olu.page.keyboard.press("j")
        expect(olu.page.get_by_role("link", name="Something unexpected went wrong")).to_be_focused()
        olu.page.keyboard.press("/")
        expect(olu.page.get_by_role("searchbox")).to_be_focused()
        for path in ("/reconcile", "/schedules"):
            olu.go(path)
            olu.is_sound()


def test_pages_fit_a_phone(browser: Browser, ops_desk: OpsDesk, simulator: SimulatorHandle) -> None:
    ops.dead_validation(ops_desk.world, simulator)
    assert importable(simulator)
    with operating(browser, ops_desk, "Olu Ops", OperatorRole.ADMIN) as olu:
        olu.page.set_viewport_size({"width": 390, "height": 800})
        for path in (
            "/",
            "/inbox",
            "/dead",
            "/dead/act?action=requeue&all=yes",
            "/jobs",
            "/system",
            "/reconcile",
            "/schedules",
        ):
            olu.go(path)
            wide = olu.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, path


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the provider's
def test_an_operator_signs_in_and_confirms_at_their_organisation(
    browser: Browser, sqlite_world: World, redis_url: str
) -> None:
    """The provider is another site, from which no strict cookie is sent with what it leads to."""
    with trusted(sqlite_world, redis_url) as organisation, closing(browser.new_context()) as context:
        add_operator(sqlite_world.database, "Olu Ops", EMAIL, OperatorRole.ADMIN)
        organisation.knows(auth_time=int(time.time()) - 86_400)
        context.set_default_timeout(WAIT_MS)
        olu = Operator(context.new_page(), organisation.desk.url, [])
        olu.go("/system")
        olu.is_sound()
        olu.page.get_by_role("link", name="Sign in with single sign-on").click()
        at_provider(olu)
        expect(olu.page.get_by_role("heading", name="System", exact=True)).to_be_visible()
        # A sign-in that the provider remembered is not enough to pause everything
        expect(olu.page.get_by_label("Code of your authenticator app")).to_be_visible()
        organisation.knows(auth_time=int(time.time()))
        olu.page.get_by_role("link", name="Confirm with single sign-on").click()
        at_provider(olu)
        expect(olu.page.get_by_role("heading", name="System", exact=True)).to_be_visible()
        expect(olu.page.get_by_label("Code of your authenticator app")).to_be_hidden()
        olu.is_sound()


def at_provider(operator: Operator) -> None:
    """Sign in at the provider's page."""
    operator.page.get_by_placeholder("sub").fill("olu")
    operator.click("Authorize")
