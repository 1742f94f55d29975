"""Importing several at once, as staff see it: chosen, checked, asked for, followed, corrected and sent again."""

from __future__ import annotations

import json
import tempfile
import threading
from collections import Counter
from typing import Any
from uuid import UUID

import pytest
from starlette.requests import Request

from handlers.access import kept_form, sessions
from handlers.imports.accept import MAX_BATCH
from portal_db.states import Role
from portal_db.tables import Import
from tests.handlers.directory.given import synced
from tests.handlers.given import change
from tests.handlers.imports.test_batch_file import AS_SPREADSHEETS_WRITE, ROWS, WRITTEN
from tests.making import importable
from tests.web.desk import PASSWORD, Desk
from tests.web.pages.frame.test_frame import keeps_the_rules
from tests.web.pages.people import connected, partners_email
from tests.web.pages.reading import Page, Reader, reader
from tests.world import TENANT
from web.pages.frame.forms import LARGE_BYTES
from xpm.simulator.practice.model import Client
from xpm.simulator.serve import SimulatorHandle

NEW = "/batches/new"


def tick(client: Client) -> str:
    return f"{client.uuid} individual {client.name}"


def without_email(simulator: SimulatorHandle) -> Client:
    clients = simulator.simulator.practices[TENANT].clients.values()
    return next(
        client
        for client in clients
        if client.business_structure == "Individual"
        and not client.email
        and not (client.is_archived or client.is_deleted)
    )


def sent(visitor: Reader, page: Page, action: str, **values: str | list[str]) -> Page:
    """Send a form of the page with these values, of which one may be several."""
    return Page.of(visitor.browser.post(action, data={**page.form(action), **values}))


def test_several_are_chosen_checked_imported_corrected_and_sent_again(desk: Desk, simulator: SimulatorHandle) -> None:
    visitor = connected(desk)
    good, known = importable(simulator)[:2]
    # When somebody searches, ticks one, and searches again, then it stays chosen
    page = keeps_the_rules(visitor.open(NEW))
    page = sent(visitor, page, NEW, q=good.name, act="search")
    assert tick(good) in [box["value"] for box in page.root.all("input") if box["name"] == "row"]
    page = keeps_the_rules(sent(visitor, page, NEW, q=known.name, act="search", row=tick(good)))
    assert "Selected (1)" in page.text
    # When nobody is ticked, it says so
    assert "No clients selected." in keeps_the_rules(sent(visitor, page, NEW, act="check", row="nonsense")).text
    # When both are checked, and one has become a client meanwhile
    desk.world.run_import(known.uuid)
    page = sent(visitor, page, NEW, act="check", row=[tick(good), tick(known)], send_welcome_email="yes")
    # Then it is told before anything is asked for
    assert "1 of 2 can be imported" in keeps_the_rules(page).text
    assert "already" in page.text
    # When the rest is imported, twice by a double click, it is one batch
    batch = visitor.send(page, "/batches")
    assert visitor.send(page, "/batches").path == batch.path
    assert (batch.heading, "0 of 1 done" in batch.text) == ("Import is in progress", True)
    desk.world.run_due()
    done = keeps_the_rules(visitor.open(batch.path))
    assert (done.heading, "Everything was imported." in done.text) == ("Import complete", True)
    assert len(desk.world.mail.mailbox.deliveries()) == 1


def test_what_was_turned_down_is_corrected_on_the_page_and_sent_again(desk: Desk, simulator: SimulatorHandle) -> None:
    visitor = connected(desk)
    bad = without_email(simulator)
    # Given a CSV with a row whose record nobody has read yet
    csv = f"xpm_uuid,kind,name\n{bad.uuid},individual,=Less <b>More</b>\n"
    form = keeps_the_rules(visitor.open(NEW)).form("/batches/csv")
    answer = visitor.browser.post(
        "/batches/csv", data={"csrf_token": form["csrf_token"]}, files={"file": ("a.csv", csv)}
    )
    page = keeps_the_rules(Page.of(answer))
    assert "1 of 1 can be imported" in page.text
    batch = visitor.send(page, "/batches")
    desk.world.run_due()
    # When it is turned down, the page says why, and takes an email
    page = keeps_the_rules(visitor.open(batch.path))
    assert "=Less <b>More</b>" in page.text
    assert "1 not imported" in page.text
    page = keeps_the_rules(visitor.send(page, "/batches/check", **{"email-0": "own@client.example"}))
    assert "1 of 1 can be imported" in page.text
    again = visitor.send(page, "/batches")
    desk.world.run_due()
    # Then it is imported
    assert "Everything was imported." in visitor.open(again.path).text
    assert "<b>More</b>" not in visitor.open("/clients").answer.text


def test_a_csv_that_does_not_fit_says_where(desk: Desk) -> None:
    visitor = connected(desk)
    token = visitor.open(NEW).form("/batches/csv")["csrf_token"]
    for body, told in {
        b"name\nx\n": "no column xpm_uuid",
        b"xpm_uuid,kind\nnot-one,individual\n": "Line 2, column xpm_uuid: is not a valid id, found 'not-one'",
        b"xpm_uuid,kind\n\xd7\xd8": "UTF-8",
        b"": "Split it",
    }.items():
        answer = visitor.browser.post("/batches/csv", data={"csrf_token": token}, files={"file": ("a.csv", body)})
        page = keeps_the_rules(Page.of(answer))
        assert page.status == 422
        assert told in page.text, (body, page.text)


def uploaded(visitor: Reader, content: bytes, name: str = "a.csv") -> Page:
    """What the page says to a file."""
    token = visitor.open(NEW).form("/batches/csv")["csrf_token"]
    answer = visitor.browser.post("/batches/csv", data={"csrf_token": token}, files={"file": (name, content)})
    return keeps_the_rules(Page.of(answer))


def after_signing_in(desk: Desk, visitor: Reader, stands_at: str, action: str, form: dict[str, Any]) -> Page:
    """Where a form leads that is sent from the page at this address after its session ended."""
    desk.world.pass_time(sessions.IDLE_SECONDS + 1)
    asked = Page.of(visitor.browser.post(action, data=form, headers={"Referer": f"{desk.url}{stands_at}"}))
    return keeps_the_rules(visitor.send(asked, "/sign-in", email=partners_email(desk), password=PASSWORD))


@pytest.mark.parametrize("stands_at", [NEW, "/batches/csv", "/batches/check", "/batches"])
def test_emails_that_were_typed_are_there_after_signing_in_again(
    desk: Desk, simulator: SimulatorHandle, stands_at: str
) -> None:
    synced(desk.world)
    visitor, bad = connected(desk), without_email(simulator)
    page = uploaded(visitor, f"xpm_uuid,kind\n{bad.uuid},individual\n".encode())
    form = {**page.form("/batches"), "email-0": "own@client.example"}
    # When the session ends before the rows are checked again, wherever the page with them stands
    back = after_signing_in(desk, visitor, stands_at, "/batches/check", form)
    # Then they are there again, and can be imported
    assert (back.status, "What you typed is still here" in back.text) == (200, True)
    assert "1 of 1 can be imported" in back.text
    visitor.send(back, "/batches")
    assert desk.world.scalar("SELECT email FROM imports") == "own@client.example"


def test_rows_that_are_too_many_to_be_kept_are_not_lost_without_a_word(desk: Desk) -> None:
    visitor = connected(desk)
    for typed in ({"rows": "x" * kept_form.MOST_BYTES}, {}):  # a file is not kept either
        form = {"csrf_token": visitor.open(NEW).form("/batches/csv")["csrf_token"], **typed}
        back = after_signing_in(desk, visitor, "/batches/check", "/batches/check", form)
        assert (back.status, back.path, "what you typed was not kept" in back.text) == (200, NEW, True)


def test_what_was_ticked_is_ticked_after_signing_in_again(desk: Desk, simulator: SimulatorHandle) -> None:
    visitor, ticked = connected(desk), [tick(client) for client in importable(simulator)[:2]]
    form = {**visitor.open(NEW).form(NEW), "row": ticked, "act": "check"}
    back = after_signing_in(desk, visitor, NEW, NEW, form)
    assert [box["value"] for box in back.root.all("input") if box["name"] == "row"] == ticked


@pytest.mark.parametrize("how", AS_SPREADSHEETS_WRITE)
def test_a_file_is_read_as_spreadsheets_write_it(desk: Desk, how: str) -> None:
    visitor = connected(desk)
    page = uploaded(visitor, WRITTEN[how], "rows.xlsx" if how == "excel" else "rows.csv")
    assert f"{len(ROWS)} of {len(ROWS)} can be imported" in page.text
    visitor.send(page, "/batches")
    with desk.world.database.read() as tx:
        taken = {(str(row.xpm_uuid), row.kind.value, row.name) for row in tx.session.query(Import)}
    assert taken == {(fields["xpm_uuid"], fields["kind"], fields.get("name")) for _, fields in ROWS}


def test_two_emails_in_xpm_are_shown_before_anything_is_asked_for(
    own_desk: Desk, own_simulator: SimulatorHandle
) -> None:
    record = importable(own_simulator)[0]
    change(own_simulator, record.uuid, email="jane@mail.example; joe@mail.example")
    synced(own_desk.world)
    visitor = connected(own_desk)
    page = uploaded(visitor, f"xpm_uuid,kind\n{record.uuid},individual\n".encode())
    assert "0 of 1 can be imported" in page.text
    assert "XPM holds two addresses; choose one." in page.text
    assert "In XPM: jane@mail.example; joe@mail.example" in page.text
    # When one of them is typed, the row can be imported
    typed = {**page.form("/batches"), "email-0": "joe@mail.example"}
    assert "1 of 1 can be imported" in keeps_the_rules(visitor.post("/batches/check", typed)).text


def test_a_file_names_clients_as_xpm_does_where_one_only_is_called_so(
    own_desk: Desk, own_simulator: SimulatorHandle
) -> None:
    desk, simulator = own_desk, own_simulator
    synced(desk.world)
    visitor, record = connected(desk), importable(simulator)[0]
    page = visitor.open(NEW)
    assert page.links()["Download a template"] == "/batches/template.csv"
    assert visitor.browser.get("/batches/template.csv").text.startswith("client,name,email,")
    current = [each for each in simulator.simulator.practices[TENANT].clients.values() if not each.is_deleted]
    names, codes = [each.name for each in current], Counter(each.client_code for each in current)
    twice = next(name for name in names if names.count(name) > 1)
    code = next(each.client_code for each in importable(simulator)[1:] if codes[each.client_code] == 1)
    token = page.form("/batches/csv")["csrf_token"]

    def sent_file(*lines: str) -> Page:
        csv = "client,send_welcome_email\n" + "".join(f'"{line}",no\n' for line in lines)
        answer = visitor.browser.post("/batches/csv", data={"csrf_token": token}, files={"file": ("a.csv", csv)})
        return keeps_the_rules(Page.of(answer))

    assert "2 of 2 can be imported" in sent_file(record.name.upper(), code.lower()).text
    wrong = sent_file(record.name, "Nobody Is Called So", twice)
    assert "Line 3: no client in XPM has this name or client code" in wrong.text
    assert "Line 4: more than one client in XPM has this name or client code." in wrong.text
    done = visitor.send(sent_file(record.name), "/batches")
    desk.world.run_due()
    assert "Everything was imported." in visitor.open(done.path).text
    # What is one client's name and another's code names neither
    mine, other = importable(simulator)[2:4]
    change(simulator, other.uuid, client_code=mine.name)
    synced(desk.world)
    assert "Line 2: more than one client in XPM has this name or client code." in sent_file(mine.name).text


def test_a_large_csv_fits_and_travels_through_the_check(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine without any folder for temporary files, too: no copy of it is written anywhere."""
    monkeypatch.setattr(tempfile, "tempdir", "/proc/nowhere")
    visitor = connected(desk)
    token = visitor.open(NEW).form("/batches/csv")["csrf_token"]
    csv = "xpm_uuid,kind\n" + "".join(f"{UUID(int=number)},entity{' ' * 600}\n" for number in range(2_000))
    answer = visitor.browser.post("/batches/csv", data={"csrf_token": token}, files={"file": ("a.csv", csv)})
    page = Page.of(answer)
    assert "2,000 of 2,000 can be imported" in page.text
    assert "2,000 of 2,000 can be imported" in visitor.post("/batches/check", page.form("/batches")).text


def test_a_large_form_is_read_in_a_thread_of_its_own(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    read: dict[bool, set[str]] = {True: set(), False: set()}
    form = Request.form

    def noting(self: Request, **limits: Any) -> Any:
        read[int(self.headers["content-length"]) > LARGE_BYTES].add(threading.current_thread().name)
        return form(self, **limits)

    monkeypatch.setattr(Request, "form", noting)
    visitor = connected(desk)
    token = visitor.open(NEW).form("/batches/csv")["csrf_token"]
    for rows in ("%22", "%22" * LARGE_BYTES):
        visitor.browser.post(
            "/batches/check",
            content=f"csrf_token={token}&rows={rows}",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        ).raise_for_status()
    assert read[False] == {"web"}
    assert len(read[True]) == 1
    assert "web" not in read[True]


def test_rows_left_out_are_read_no_further_than_a_batch_goes(desk: Desk) -> None:
    visitor = reader(desk, desk.staff(Role.OWNER))
    form = visitor.open("/clients").form("/sign-out")
    # Given a form that names more rows than a batch has
    row = {"xpm_uuid": str(UUID(int=1)), "kind": "entity"}
    turned = "," * MAX_BATCH + "0"
    # When it is sent, then the last is not among those that are left out
    values = {"rows": json.dumps({"rows": [row]}), "turned": turned, "idempotency_key": "one"}
    page = Page.of(visitor.browser.post("/batches", data={**form, **values}))
    assert page.path.startswith("/batches/")


def test_batches_are_their_requesters_and_importing_is_for_who_may(desk: Desk, simulator: SimulatorHandle) -> None:
    world = desk.world
    import_id = world.ask_batch([world.request(importable(simulator)[0].uuid)])[0]
    batch_id = world.import_row(import_id).batch_id
    for person in (desk.staff(Role.MANAGER), desk.other_practice()):
        assert reader(desk, person).open(f"/batches/{batch_id}").status == 404
    assert reader(desk, desk.staff(Role.OWNER)).open(f"/batches/{batch_id}").status == 200
    looking = reader(desk, desk.staff(Role.BASIC))
    token = looking.open("/clients").form("/sign-out")
    assert looking.open(NEW).status == 403
    assert [looking.post(path, token).status for path in (NEW, "/batches/csv", "/batches/check", "/batches")] == [
        403
    ] * 4
