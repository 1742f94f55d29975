"""Every link that we give leads somewhere: in emails, in the API's answers, on pages, and from the command line.

A new email, endpoint or page is covered without a change here, except that a new email must be sent by `every_email`.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from starlette.routing import Match

import handlers.email
from handlers.access import password_reset, sign_in_log, staff
from handlers.access.caller import Scope
from handlers.access.origin import Origin
from handlers.access.sign_in_log import SignInEvent
from handlers.xero.tokens import break_connection
from portal_db.access import members
from portal_db.states import Role
from portal_db.xero import connections
from tests.letters import body, letters
from tests.making import Account, importable
from tests.web.desk import Desk
from tests.web.pages.client_side.given import a_task, client_reader
from tests.web.pages.people import a_company, caller_of, connected, imported
from tests.web.pages.reading import Element, Page, Reader, reader, stranger
from tests.web.test_access import TABLE, Ids, call, everything_of
from web.pages.frame.visitor import CLIENT_SIDE
from worker.cli import main
from xpm.simulator.serve import SimulatorHandle

#: Elements whose attribute names what the browser loads along with the page.
ASSETS = {"link": "href", "use": "href", "script": "src", "img": "src"}
#: What our scripts fetch or follow.
SCRIPTED = ("data-follow", "data-part", "data-results-from")
URL = re.compile(r"https?://[^\s\"'<>]+")
MOST_PAGES = 1000


def within(public_url: str, url: str) -> str:
    """The path, query and fragment of a link to the portal at this address."""
    public_url = public_url.rstrip("/")
    assert url.startswith(f"{public_url}/"), f"{url} does not lead to {public_url}"
    return url.removeprefix(public_url)


# ---- emails ----


def every_email(desk: Desk, simulator: SimulatorHandle, account: Account) -> dict[str, tuple[set[str], set[str]]]:
    """Each email sent once by its own job: by subject, the links of its text and of its HTML."""
    world = desk.world
    imported(desk, importable(simulator)[0].uuid, send_welcome_email=True)
    with world.database.read() as tx:
        connection = connections.get(tx, world.connection_id)
    assert connection is not None
    version = world.scalar("SELECT version FROM xero_logins")
    assert isinstance(version, int)
    break_connection(world.database, connection, version, "grant_refused")
    password_reset.request(world.database, world.bell, desk.staff().email, Origin("192.0.2.1"))
    staff.invite(
        world.database, world.bell, caller_of(desk, desk.staff(Role.OWNER)), "Gwen", "gwen@x.example", Role.BASIC
    )
    a_task(desk, desk.partner, account.client_id)
    with world.database.write() as tx:
        member = members.get(tx, world.practice_id, desk.staff().staff_id)
        assert member is not None
        sign_in_log.note(tx, SignInEvent.PASSKEY_ADDED, member.staff, Origin("192.0.2.1"))
    world.run_due()
    found = {}
    for delivery, letter in zip(world.mail.deliveries(), letters(world), strict=True):
        plain, html = (set(URL.findall(body(letter, kind))) for kind in ("plain", "html"))
        found[delivery.subject] = (plain, html)
    return found


def test_each_link_in_an_email_is_answered(desk: Desk, simulator: SimulatorHandle) -> None:
    account = desk.client(desk.partner)
    emails = every_email(desk, simulator, account)
    templates = Path(handlers.email.__path__[0]) / "templates"
    with_links = [each for each in templates.glob("*.txt") if "_url }}" in each.read_text()]
    assert len(emails) == len(with_links), "an email is not sent by this test"
    nobody, staff, client = stranger(desk), connected(desk), client_reader(desk, account)
    for subject, (plain, html) in emails.items():
        assert plain == html != set(), subject
        for url in plain:
            path = within(desk.world.services.settings.public_url, url)
            assert nobody.open(path).status == 200, (subject, url)  # a page of ours, or the way to sign in
            page = (client if path.startswith(CLIENT_SIDE) else staff).open(path)
            assert (page.status, page.path) == (200, urlsplit(path).path), (subject, url)


# ---- answers of the API ----


def links_in(value: Any) -> Iterator[str]:
    """The addresses in a JSON value."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from links_in(each)
    elif isinstance(value, str) and (URL.match(value) or value.startswith("/")):
        yield value


def links_given(answer: httpx.Response) -> list[str]:
    """The addresses in an answer that is not a stream."""
    is_json = answer.is_stream_consumed and answer.headers.get("content-type", "").endswith("json") and answer.content
    return [
        link
        for link in (answer.headers.get("location"), *(links_in(answer.json()) if is_json else ()))
        if link and not link.startswith("https://hooks.example/")  # typed by this test
    ]


def test_each_link_in_an_answer_of_the_api_is_answered(desk: Desk, simulator: SimulatorHandle) -> None:
    browser = connected(desk).browser
    program = desk.program(desk.partner)
    of_entity = everything_of(desk, desk.partner)
    person = imported(desk, importable(simulator)[0].uuid)
    of_person = Ids({**of_entity.values, "client_id": person})
    gave = set()
    endings_last = sorted(TABLE.items(), key=lambda item: item[0][0] == "DELETE")
    for (method, template), endpoint in endings_last:
        who = program if endpoint.scope is not Scope.MANAGE else desk.program(desk.staff(Role.OWNER))
        for ids in (of_entity, of_person):
            asked = replace(endpoint, headers=dict.fromkeys(endpoint.headers, uuid4().hex))  # each with its own key
            for link in links_given(call(who, method, template, asked, ids)):
                gave.add((method, template))
                if link.startswith("/"):
                    assert program.get(link).status_code == 200, (method, template, link)
                    continue
                # To Xero, and from there back to us.
                at_xero = httpx.get(link, trust_env=False)
                assert at_xero.status_code == 302, (method, template, link)
                back = within(desk.url, at_xero.headers["location"])
                assert browser.get(back).status_code < 500, (method, template, back)
                assert is_route(desk.app, "GET", back), (method, template, back)
    assert gave >= {
        ("POST", "/imports"),
        ("POST", "/batches"),
        ("POST", "/clients/{client_id}/imports"),
        ("POST", "/clients/{client_id}/welcome-email"),
        ("POST", "/integrations/xpm/consent"),
    }


# ---- pages ----


def is_route(app: FastAPI, method: str, address: str) -> bool:
    """Whether a route takes this method at this address."""
    path = urlsplit(address).path
    scope = {"type": "http", "method": method, "path": path, "root_path": "", "headers": []}
    return any(route.matches(scope)[0] is Match.FULL for route in app.router.routes)


def filled_in(form: Element) -> str:
    """The query of a form that is sent as it stands, with two letters where something must be typed."""
    values = []
    for item in form.all("input", "select"):
        if item.tag == "select":
            options = list(item.all("option"))
            chosen = next((option for option in options if "selected" in option.attributes), options[0])
            values.append((item["name"], chosen["value"]))
        elif item["type"] not in ("radio", "checkbox") or "checked" in item.attributes:
            values.append((item["name"], item["value"] or ("" if item["type"] == "date" else "an")))
    return urlencode(values)


class Crawl:
    """One visitor who opens every link, breadth first; `dead` are those that nothing answers. `windows` are the pages that
    ask one thing, `over` and `instead` the addresses of links that open over the page and in its place."""

    def __init__(self, desk: Desk, visitor: Reader) -> None:
        self.desk = desk
        self.visitor = visitor
        self.opened: set[str] = set()
        self.dead: list[str] = []
        self.windows: set[str] = set()
        self.over: set[str] = set()
        self.instead: set[str] = set()
        self._waiting: deque[tuple[str, str]] = deque()

    def from_(self, starts: Iterable[str], *pages: Page) -> list[str]:
        """Open everything that can be reached.

        Returns:
            What is dead, each with the page that links to it.
        """
        self._waiting.extend((start, "the start") for start in starts)
        for page in pages:
            self._read(page, str(page.answer.url))
        while self._waiting:
            address, linked_from = self._waiting.popleft()
            address = address.partition("#")[0]
            if address not in self.opened:
                assert len(self.opened) < MOST_PAGES, "the crawl does not end"
                self.opened.add(address)
                self._open(address, linked_from)
        return self.dead

    def _open(self, address: str, linked_from: str) -> None:
        with self.visitor.browser.stream("GET", address) as answer:
            if answer.status_code != 200:
                self.dead.append(f"{address} answers {answer.status_code}; linked from {linked_from}")
            elif answer.headers["content-type"].startswith("text/html"):
                answer.read()
                if answer.text.startswith("<!doctype html>"):
                    self._read(Page.of(answer), address)

    def _read(self, page: Page, here: str) -> None:
        ids = {element["id"] for element in page.root.all() if element["id"]}
        if any("window" in element["class"].split() for element in page.root.all("section")):
            self.windows.add(here)
        for element in page.root.all():
            if element.tag == "a":
                (self.over if "data-window" in element.attributes else self.instead).add(element["href"])
            for kind, target in links_of(element):
                if target.startswith("#"):
                    if target[1:] not in ids:
                        self.dead.append(f"{target} is nothing on the page; linked from {here}")
                    continue
                address = urljoin(str(page.answer.url), target)
                if not address.startswith(self.desk.url):
                    assert "/connect/authorize?" in address, f"{address} leads elsewhere; linked from {here}"
                elif kind == "POST":
                    if not is_route(self.desk.app, "POST", address):
                        self.dead.append(f"no route takes a POST to {target}; form on {here}")
                else:
                    self._waiting.append((address.removeprefix(self.desk.url), here))


def links_of(element: Element) -> Iterator[tuple[str, str]]:
    """The addresses that an element gives, and how a browser asks for them."""
    if element.tag == "a":
        yield "GET", element["href"]
    elif element.tag in ASSETS:
        yield "GET", element[ASSETS[element.tag]]
    elif element.tag == "form":
        if element["method"].upper() == "POST":
            yield "POST", element["action"]
        elif element["method"] != "dialog":  # which sends nothing
            yield "GET", f"{element['action']}?{filled_in(element)}"
    if element["formaction"]:
        yield "POST", element["formaction"]
    for name in SCRIPTED:
        if element[name]:
            query = f"?{filled_in(element)}" if name == "data-results-from" else ""
            yield "GET", element[name] + query


@pytest.fixture
def starts(desk: Desk, simulator: SimulatorHandle) -> list[str]:
    """A client's page, an import's and a batch's, in each shape that they have."""
    world, people = desk.world, importable(simulator)
    clients: list[UUID] = [imported(desk, people[0].uuid), imported(desk, a_company(simulator).uuid, "entity")]
    clients.append(desk.entity(desk.partner))
    batch = [world.import_row(row) for row in world.ask_batch([world.request(each.uuid) for each in people[1:3]])]
    world.run_due()
    rejected = world.run_import(people[0].uuid).id
    under_way = world.ask(people[3].uuid)
    waiting = [world.import_row(row) for row in world.ask_batch([world.request(people[4].uuid)], key="second")]
    imports = [rejected, under_way, *(row.id for row in (*batch, *waiting))]
    return [
        *(f"/clients/{client_id}" for client_id in clients),
        *(f"/imports/{import_id}" for import_id in imports),
        *(f"/batches/{row.batch_id}" for row in (batch[0], waiting[0])),
    ]


def test_each_link_on_a_clients_page_is_answered(desk: Desk) -> None:
    account = desk.client(desk.partner)
    a_task(desk, desk.partner, account.client_id)
    crawl = Crawl(desk, client_reader(desk, account))
    assert crawl.from_(["/"]) == []
    assert {"/my/details", "/my/terms", "/account/password", "/account/sessions"} <= crawl.opened


@pytest.mark.parametrize("role", Role)
def test_each_link_on_a_page_is_answered(desk: Desk, starts: list[str], role: Role) -> None:
    is_partner = role is Role.PARTNER  # whose clients they are
    visitor = connected(desk) if is_partner else reader(desk, desk.staff(role))
    crawl = Crawl(desk, visitor)
    assert crawl.from_(["/", *(starts if is_partner or role.may_manage else ())]) == []
    assert {"/clients", "/search?q=an", "/configure/integrations"} <= {
        re.sub(r"q=an&.*", "q=an", address) for address in crawl.opened
    }
    assert crawl.over <= crawl.windows
    # A rejected import's page becomes a window by itself.
    assert {address for address in crawl.instead & crawl.windows if not address.startswith("/imports/")} == set()
    if is_partner:
        windows = ("connect", "import-items", "review", "tasks/new", "connections/new", "disconnect", "invite")
        missed = [name for name in windows if not any(address.endswith(f"/{name}") for address in crawl.opened)]
        assert missed == []


def test_each_link_on_a_page_behind_a_form_is_answered(desk: Desk, simulator: SimulatorHandle) -> None:
    visitor, newcomer = connected(desk), reader(desk, desk.staff())
    consent = newcomer.send(newcomer.open("/configure/integrations"), "/configure/integrations/xpm/consent")
    new = visitor.open("/batches/new")
    ticked = [f"{each.uuid} individual {each.name}" for each in importable(simulator)[:2]]
    values = {**new.form("/batches/new"), "act": "check", "row": ticked[0]}
    checked = visitor.post("/batches/new", values)
    assert [page.status for page in (consent, checked)] == [200, 200]
    assert Crawl(desk, newcomer).from_((), consent) == []
    assert Crawl(desk, visitor).from_((), checked) == []


def test_each_link_for_who_has_not_signed_in_is_answered(desk: Desk) -> None:
    nobody = stranger(desk)
    missing = nobody.open("/no-such-page")
    assert missing.status == 404
    assert (
        Crawl(desk, nobody).from_(["/", "/sign-in", "/set-password", "/activate", "/activate/nothing"], missing) == []
    )


# ---- the command line ----


def test_the_link_to_set_a_password_is_answered(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings, person = desk.world.services.settings, desk.staff()
    monkeypatch.setenv("DATABASE_URL", settings.database_url)
    monkeypatch.setenv("TOKEN_KEYS", settings.token_keys[0].get_secret_value())
    monkeypatch.setenv("PUBLIC_URL", settings.public_url)
    assert main(["staff", "password", str(person.staff_id), "--practice", str(person.practice_id), "--link"]) == 0
    url = capsys.readouterr().out.strip()
    page = stranger(desk).open(within(desk.world.services.settings.public_url, url))
    assert (page.status, page.path) == (200, "/set-password")
