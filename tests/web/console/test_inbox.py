"""The inbox and the pages of practices: what needs a person, and what they do about it."""

from __future__ import annotations

import hashlib

import pytest

from handlers.outages import MAIL, OPENS_AFTER
from handlers.webhooks import endpoints
from portal_db import webhooks
from portal_db.directory import schedules
from portal_db.states import ImportState, OperatorRole
from portal_db.types import database_time
from portal_db.upkeep import gauges
from portal_db.work import leaders, malformed_messages, outages
from tests.handlers.operations import given as ops
from tests.servers.waiting import wait_until
from tests.web.console.desk import OpsDesk, post
from tests.web.pages.reading import Page
from tests.world import World
from xpm.simulator.serve import SimulatorHandle

SECRET = "Wilhelmina Quillfeather"


def lead(world: World) -> None:
    with world.database.write() as tx:
        assert leaders.hold(tx, leaders.RELAY, "relay-1", 3600)


def malformed(world: World) -> None:
    """A message that nobody could read, kept as the door keeps it."""
    payload = world.services.settings.vault.encrypt(f'{{"name": "{SECRET}"'.encode())
    with world.database.write() as tx:
        digest = hashlib.sha256(payload).hexdigest()
        malformed_messages.keep(tx, queue="import_requests", reason="not_json", payload=payload, digest=digest)


def test_an_email_of_unknown_outcome_is_decided_about(ops_desk: OpsDesk, simulator: SimulatorHandle) -> None:
    world = ops_desk.world
    import_id, email_id = ops.unknown_email(world, simulator)
    reader = ops_desk.signed_in()
    page = reader.open("/inbox")
    assert "Emails of unknown outcome" in page.text
    page = reader.send(page, f"/emails/{email_id}/delivered", reason="the client has it")
    assert "Counted as delivered" in page.text
    assert "Emails of unknown outcome" not in page.text
    assert world.import_row(import_id).state is ImportState.SUCCEEDED
    # Who decides again is told
    late = Page.of(post(reader, f"/emails/{email_id}/delivered", reason="again"))
    assert late.status in (409, 422)


def test_a_webhook_that_was_disabled_at_once_needs_somebody_and_is_counted(ops_desk: OpsDesk) -> None:
    """Such as by an answer of 410, before it ever failed."""
    world = ops_desk.world
    settings = world.services.settings
    made = endpoints.add(world.database, settings, world.practice_id, "https://hooks.moss.example/in", set())
    with world.database.write() as tx:
        assert webhooks.disable(tx, made.endpoint_id, "gone (410)")
        assert gauges.failing_webhooks(tx) == 1
    assert "gone (410)" in ops_desk.signed_in().open("/inbox").text


def test_a_malformed_message_is_shown_to_who_asks_and_deleted_by_an_admin(ops_desk: OpsDesk) -> None:
    malformed(ops_desk.world)
    reader = ops_desk.signed_in(OperatorRole.ADMIN)
    page = reader.open("/inbox")
    assert "not_json" in page.text
    assert SECRET not in page.text
    [show] = [form["action"] for form in page.root.all("form") if form["action"].endswith("/reveal")]
    shown = reader.send(page, show, reason="ticket 7")
    assert SECRET in shown.text
    assert "malformed.reveal" in reader.open("/audit").text
    page = reader.send(reader.open("/inbox"), show.replace("reveal", "forget"), reason="ticket 7")
    assert "The message is deleted" in page.text
    assert "not_json" not in page.text


def test_a_practice_is_paused_and_its_jobs_say_why_they_wait(ops_desk: OpsDesk, simulator: SimulatorHandle) -> None:
    world = ops_desk.world
    import_id = ops.ask(world, simulator)
    job_id = world.jobs_of(import_id)["validate_import"].id
    reader = ops_desk.signed_in()
    page = reader.open(f"/practices/{world.practice_id}")
    # Its impact is shown before
    assert "1 due job would wait" in page.text
    page = reader.send(page, f"/practices/{world.practice_id}/pause", reason="XPM maintenance")
    assert "Paused" in page.text
    world.run_due()
    assert world.import_row(import_id).state is ImportState.ACCEPTED
    for path in (f"/jobs/{job_id}", "/", "/inbox"):
        assert "XPM maintenance" in reader.open(path).text, path
    # Somebody else who pauses it is told, and it is resumed
    again = Page.of(post(reader, f"/practices/{world.practice_id}/pause", reason="too late"))
    assert (again.status, "by Olu Ops" in again.text) == (422, True)
    page = reader.send(reader.open(f"/practices/{world.practice_id}"), "/pauses/resume", reason="over")
    assert "Resumed" in page.text
    world.run_due()
    assert world.import_row(import_id).state is ImportState.SUCCEEDED


def test_everything_is_paused_by_an_admin_only(ops_desk: OpsDesk) -> None:
    assert post(ops_desk.signed_in(name="Olu"), "/pauses/everything", reason="fire").status_code == 403
    reader = ops_desk.signed_in(OperatorRole.ADMIN, "Ada")
    page = reader.send(reader.open("/system"), "/pauses/everything", reason="fire")
    assert "Paused: everything" in page.text
    # A form that names no part is not taken for everything
    assert post(reader, "/pauses", reason="x", lane="", kind="").status_code == 422
    page = reader.send(page, "/pauses/everything/resume", reason="out")
    assert "Paused: everything" not in page.text


def test_a_pause_that_is_refused_says_why_and_keeps_what_was_typed(
    ops_desk: OpsDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = ops_desk.signed_in(OperatorRole.ADMIN, "Ada")
    page = reader.open("/system")
    # Given a form that is sent without a code after the last one has become old
    monkeypatch.setattr("handlers.access.operators.FRESH_SECONDS", -1.0)
    refused = reader.send(page, "/pauses/everything", reason="fire")
    # Then it is there again, with what was typed, a field for the code, and a link to it
    assert (refused.status, refused.heading) == (422, "System")
    assert "all-code" in refused.faults()
    assert refused.form("/pauses/everything") == {**page.form("/pauses/everything"), "reason": "fire", "code": ""}
    assert refused.form("/pauses")["reason"] == ""
    assert_links_lead_to_ids(refused)
    # A wrong code is refused in the same place
    wrong = reader.send(refused, "/pauses/everything", code="000000")
    assert ("all-code" in wrong.faults(), wrong.form("/pauses/everything")["reason"]) == (True, "fire")
    monkeypatch.undo()
    # And so are the reasons of the other forms, at the form that they are of
    part = reader.send(wrong, "/pauses", lane="resync", reason="for mia@moss.example")
    assert part.faults().keys() == {"pause-reason"}
    assert (part.form("/pauses")["lane"], part.form("/pauses/everything")["reason"]) == ("resync", "")
    assert_links_lead_to_ids(part)
    paused = reader.send(part, "/pauses", reason="ticket 91")
    resumed = reader.send(paused, "/pauses/resume", reason="for mia@moss.example")
    assert (resumed.status, "must not contain personal data" in resumed.text) == (422, True)
    again = reader.send(resumed, "/pauses/resume", reason="over")
    assert (again.path, "Resumed" in again.text) == ("/system", True)
    at_practice = reader.open(f"/practices/{ops_desk.world.practice_id}")
    refused = reader.send(at_practice, f"{at_practice.path}/pause", lane="resync", reason="for mia@moss.example")
    assert refused.form(f"{at_practice.path}/pause")["lane"] == "resync"
    assert_links_lead_to_ids(refused)


def assert_links_lead_to_ids(page: Page) -> None:
    ids = {item["id"] for item in page.root.all()}
    links = {link["href"][1:] for link in page.root.all("a") if link["href"].startswith("#")}
    assert len(links) > 1  # besides the one past the navigation
    assert links <= ids, links - ids


def test_a_relay_that_is_missing_is_said(ops_desk: OpsDesk) -> None:
    world = ops_desk.world
    page = ops_desk.signed_in(OperatorRole.WATCHER).open("/inbox")
    assert "No relay is running" in page.text
    lead(world)
    reader = ops_desk.signed_in(OperatorRole.WATCHER, "Bo")
    wait_until(lambda: "No relay is running" not in reader.open("/inbox").text, "all browsers share a new look")


def test_a_server_that_jobs_wait_for_is_named_with_since_when(ops_desk: OpsDesk) -> None:
    world, reader = ops_desk.world, ops_desk.signed_in(OperatorRole.WATCHER)
    lead(world)
    # Given two failures, which may be chance
    for _ in range(OPENS_AFTER - 1):
        with world.database.write() as tx:
            outages.count_failure(tx, MAIL.name, reason="cannot be reached", holder="", of_all=True)
    assert "cannot be reached" not in reader.open("/inbox").text
    # When there is one more, then it is an outage, and the inbox and the first page name it
    with world.database.write() as tx:
        outages.count_failure(tx, MAIL.name, reason="cannot be reached", holder="", of_all=True)
    wait_until(lambda: "mail cannot be reached since" in reader.open("/inbox").text, "the inbox names it")
    wait_until(lambda: "A server that jobs need is away: mail." in reader.open("/").text, "the first page names it")
    # Until it answers
    with world.database.write() as tx:
        outages.end(tx, MAIL.name, MAIL.code)
    wait_until(lambda: "cannot be reached" not in reader.open("/inbox").text, "it is over")


def test_schedules_are_paused_and_resumed_together_or_not_at_all(ops_desk: OpsDesk) -> None:
    names = ["housekeeping", "reconcile"]
    with ops_desk.world.database.write() as tx:
        for name in names:
            schedules.add(tx, name, database_time(tx.session))
    reader = ops_desk.signed_in()

    def send(action: str, reason: str, *chosen: str) -> Page:
        token = reader.open("/schedules").form("/schedules/pause")["csrf_token"]
        form = {"csrf_token": token, "reason": reason, "name": list(chosen)}
        return Page.of(reader.browser.post(f"/schedules/{action}", data=form))

    # One of two that is paused already refuses both, and nothing is chosen refuses too
    assert "tonight we migrate" in send("pause", "tonight we migrate", "reconcile").text
    refused = send("pause", "both", *names)
    assert (refused.status, "Schedule reconcile is already paused" in refused.text) == (422, True)
    assert "choose at least one schedule" in send("pause", "none").text
    assert "both" not in reader.open("/schedules").text
    # Both are paused, and resumed
    assert "tonight we migrate" not in send("resume", "done", "reconcile").text
    assert send("pause", "tonight again", *names).text.count("tonight again") == 2
    assert "tonight again" not in send("resume", "done", *names).text
    # One is run at a time, and these are no syncs: each says so, however many names a form holds
    assert send("run", "now", *names).status == 422
