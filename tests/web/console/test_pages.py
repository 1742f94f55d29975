"""Pages of the console that only look: the audit trail as a file, a batch, reconcile tried, a page that renews itself."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Callable

import pytest
from sqlalchemy import text, update

from handlers.access import operators
from handlers.access.sessions import Session
from handlers.operations import overview
from handlers.operations.forecast import Forecast, forecast
from portal_db.states import ImportState, OperatorRole
from portal_db.tables import OperatorSession
from portal_db.types import db_now
from tests.handlers.operations import given as ops
from tests.making import importable
from tests.web.console.desk import OpsDesk, post
from tests.worker.runner.running import count
from web.console.look import SharedLook, digest
from web.console.operator import cookie_name
from xpm.quota import Limits
from xpm.simulator.serve import SimulatorHandle


def test_the_audit_trail_is_downloaded_as_it_is_filtered(ops_desk: OpsDesk, simulator: SimulatorHandle) -> None:
    # Given two acts, one with a reason that a spreadsheet would take for a formula
    world = ops_desk.world
    [first, second] = [ops.dead_validation(world, simulator, person=person)[1] for person in range(2)]
    reader = ops_desk.signed_in(name="Olu Ops")
    for job_id, act, reason in ((first, "requeue", "=1+1"), (second, "dismiss", "ticket 92")):
        assert post(reader, f"/jobs/{job_id}/{act}", reason=reason).status_code == 303
    # When the filtered page is downloaded
    link = reader.open("/audit", action="job.requeue").links()["Download as CSV"]
    answer = reader.browser.get(link)
    # Then it has those acts and no others, and no cell is a formula
    assert answer.headers["content-type"].startswith("text/csv")
    [row] = list(csv.DictReader(io.StringIO(answer.text)))
    assert (row["Who"], row["Act"], row["Id"], row["Why"]) == ("Olu Ops", "job.requeue", str(first), "'=1+1")


def test_a_batch_shows_how_far_it_is_and_its_rows(ops_desk: OpsDesk, simulator: SimulatorHandle) -> None:
    # Given a batch of which one row is rejected and one is open
    world = ops_desk.world
    people = importable(simulator)[:2]
    rejected, waiting = world.ask_batch(
        [world.request(people[0].uuid, email="mia@moss"), world.request(people[1].uuid)]
    )
    world.runner().run(world.jobs_of(rejected)["validate_import"].id)
    reader = ops_desk.signed_in(OperatorRole.WATCHER)
    # When it is opened from one of its imports
    page = reader.open(reader.open(f"/imports/{rejected}").links()[str(world.import_row(rejected).batch_id)])
    # Then it says how far it is, and lists its rows, or those in a state
    assert "1 of 2 closed" in page.text
    assert {str(rejected), str(waiting)} <= page.links().keys()
    only = reader.open(page.path, state=ImportState.REJECTED.value).links()
    assert str(rejected) in only
    assert str(waiting) not in only
    assert reader.open("/batches/0198c2f0-0000-7000-8000-000000000000").status == 404


def test_reconcile_is_tried_without_changing_anything(ops_desk: OpsDesk, simulator: SimulatorHandle) -> None:
    # Given an import that has lost its job
    world = ops_desk.world
    import_id = ops.ask(world, simulator)
    with world.database.write() as tx:
        tx.session.execute(text("DELETE FROM jobs"))
    # When somebody looks
    reader = ops_desk.signed_in(OperatorRole.WATCHER)
    page = reader.open(reader.open("/system").links()["Reconcile, dry run"])
    # Then it is said what would be repaired, and nothing is
    assert "1 x Open imports without an open job" in page.text
    assert str(import_id) in page.text
    assert count(world, "jobs") == 0


class Looks:
    """Looks at the state, each of which takes some time, and numbers them. The next one is taken when `run` says so."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.time, self.numbers = seconds, 100.0, itertools.count()
        self.waiting: list[Callable[[], None]] = []
        self.shared: SharedLook[int] = SharedLook(self.look, lambda: self.time, self.waiting.append)

    def look(self) -> int:
        self.time += self.seconds
        return next(self.numbers)

    def run(self) -> None:
        for renew in self.waiting:
            renew()
        self.waiting.clear()

    def after(self, seconds: float) -> int:
        self.time += seconds
        return self.shared.get()


@pytest.mark.parametrize(("seconds", "every"), [(0.0, 1.0), (0.01, 1.0), (0.1, 10.0)], ids=["quick", "longest", "slow"])
def test_everybody_who_watches_shares_one_look(seconds: float, every: float) -> None:
    """One look a second; fewer if they would take more than a hundredth of the time."""
    looks = Looks(seconds)
    assert looks.after(0) == 0
    for _ in range(3):
        assert looks.after(0.3 * every) == 0
        assert not looks.waiting
    # When the next look is due, nobody waits for it, and nobody takes another
    assert [looks.after(0.1 * every), looks.after(0.1 * every)] == [0, 0]
    assert len(looks.waiting) == 1
    looks.run()
    assert looks.after(0) == 1


def test_who_comes_back_after_a_while_sees_what_there_is_now() -> None:
    looks = Looks(0.0)
    assert [looks.after(0), looks.after(3), looks.after(0)] == [0, 1, 1]
    assert not looks.waiting


def test_after_an_act_a_look_that_began_before_it_is_not_shown() -> None:
    looks = Looks(0.0)
    looks.after(0)

    def act_meanwhile() -> int:
        looks.shared.look = looks.look
        looks.time += 1
        assert looks.shared.get(anew=True) == 1
        return -1

    looks.after(1.5)
    looks.shared.look = act_meanwhile
    looks.run()
    assert looks.shared.get() == 1


def test_a_look_that_fails_is_taken_again() -> None:
    looks = Looks(0.0)
    looks.after(0)

    def fail() -> int:
        raise OSError("the database is away")

    looks.after(1.5)
    looks.shared.look = fail
    with pytest.raises(OSError, match="away"):
        looks.run()
    looks.waiting.clear()
    looks.shared.look = looks.look
    looks.after(0.1)
    looks.run()
    assert looks.shared.get() == 1


def test_a_page_renews_itself_when_something_has_changed(ops_desk: OpsDesk, simulator: SimulatorHandle) -> None:
    # Given the first page
    world = ops_desk.world
    reader = ops_desk.signed_in(OperatorRole.WATCHER)
    assert "No relay is running" in reader.open("/").text
    before = digest(overview.now(world.database))
    world.pass_time(2)
    assert digest(overview.now(world.database)) == before, "time alone changes nothing"
    # When there is work
    ops.dead_validation(world, simulator)
    # Then an event says so, and the part that is fetched then shows it
    assert digest(overview.now(world.database)) != before
    with reader.browser.stream("GET", "/now/events", headers={"Accept": "text/event-stream"}) as events:
        assert next(events.iter_lines()).startswith("id: ")
    part = reader.browser.get("/now/part").text
    assert "<html" not in part
    assert "Lanes" in part


def test_a_page_that_renews_itself_keeps_no_session_from_timing_out(ops_desk: OpsDesk) -> None:
    world, reader = ops_desk.world, ops_desk.signed_in(OperatorRole.WATCHER)

    def idle_until() -> object:
        return world.scalar("SELECT idle_until FROM operator_sessions")

    with world.database.write() as tx:
        tx.session.execute(update(OperatorSession).values(idle_until=db_now(60)))
    before = idle_until()
    assert reader.browser.get("/now/part").status_code == 200
    assert idle_until() == before
    reader.open("/")
    assert idle_until() != before
    token = reader.browser.cookies[cookie_name(ops_desk.app.state.portal)]
    assert operators.recognise(world.database, Session(token), is_use=False) is not None


@pytest.mark.parametrize(
    ("calls", "used", "expected"),
    [(57, 0, Forecast(57, 57, 60)), (58, 0, Forecast(58, 58, 120)), (10, 4_750, Forecast(10, 0, 86_460)),
     (100, 4_700, Forecast(100, 50, 86_460)), (4_751, 4_750, Forecast(4_751, 0, 172_860))],
)  # fmt: skip
def test_how_long_the_work_that_waits_for_the_quota_takes(calls: int, used: int, expected: Forecast) -> None:
    assert forecast(calls, Limits(), used_today=used) == expected
