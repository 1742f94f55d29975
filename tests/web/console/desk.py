"""Sentences of the tests of the console: who operates, and what they open and send, without JavaScript."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

import httpx
from fastapi import FastAPI

from handlers.access import operators, passwords
from handlers.access.origin import Origin
from handlers.access.practices import add_operator
from portal_db.states import OperatorRole
from tests.web.apps import lent
from tests.web.desk import PASSWORD, listening, running
from tests.web.pages.account.codes import Phone
from tests.web.pages.reading import Page, Reader
from tests.world import World
from web.console.app import create_app
from web.console.console import Console
from web.counting import SharedCounts
from web.http.sign_in_limits import SignInLimits
from web.process import Address
from web.streams import Streams
from web.usage import UsageLimits
from worker.local.processes import LOOPBACK


@dataclass
class OpsDesk:
    """A served console, and the world behind it."""

    world: World
    app: FastAPI
    url: str
    opened: ExitStack

    def browser(self) -> Reader:
        """A browser that nobody has signed in with."""
        options = {"base_url": self.url, "trust_env": False, "timeout": 30, "follow_redirects": True}
        return Reader(self.opened.enter_context(httpx.Client(headers={"Accept": "text/html"}, **options)))  # type: ignore[arg-type]

    def operator(self, role: OperatorRole, name: str = "Olu Ops") -> tuple[UUID, str]:
        """An operator with a password; their id and email."""
        email = f"{uuid4().hex}@platform.example"
        operator_id = add_operator(self.world.database, name, email, role)
        link = operators.issue_link(self.world.database, self.world.services.settings, operator_id)
        passwords.set_by_link(self.world.database, link.partition("#")[2], PASSWORD, Origin("192.0.2.1"))
        return operator_id, email

    def signed_in(self, role: OperatorRole = OperatorRole.OPERATOR, name: str = "Olu Ops") -> Reader:
        """Somebody who has just set up their second factor."""
        _, email = self.operator(role, name)
        reader, _ = set_up(self.browser(), email)
        return reader


def set_up(reader: Reader, email: str) -> tuple[Reader, Phone]:
    """Sign in for the first time."""
    page = reader.send(reader.open("/sign-in"), "/sign-in", email=email, password=PASSWORD)
    assert page.path == "/sign-in/code", page.text
    phone = Phone(next(each.text for each in page.main.all("span") if each["class"] == "id").replace(" ", ""))
    shown = reader.send(page, "/sign-in/code", code=phone.code())
    assert "Keep your recovery codes" in shown.text, shown.text
    phone.recovery = [each.text for each in shown.main.all("li")]
    return reader, phone


def post(reader: Reader, path: str, **values: str) -> httpx.Response:
    """Send a form with the session's token, whether or not a page shows it."""
    page = Page.of(reader.browser.get("/"))
    token = next(each["value"] for each in page.root.all("input") if each["name"] == "csrf_token")
    return reader.browser.post(path, data={"csrf_token": token, **values}, follow_redirects=False)


@contextmanager
def serving(world: World, redis_url: str, **more: object) -> Iterator[OpsDesk]:
    """The console on a free port, with these settings besides, until the block ends."""
    with listening() as (listener, port):
        url = f"http://{LOOPBACK}:{port}"
        changes = {"redis_url": redis_url, "ops_url": url, "ops_port": port, "shutdown_grace_seconds": 1.0, **more}
        settings = world.services.settings.model_copy(update=changes)
        services = replace(world.services, settings=settings)
        uses = UsageLimits(SharedCounts(settings, services.sources, "usage"))
        console = Console(services, world.bell, SignInLimits(settings, services.sources), uses, Streams(), None)
        address = Address("ops", settings.ops_host, port)
        with lent(create_app, console) as app, running(app, settings, address, listener), ExitStack() as opened:
            yield OpsDesk(world, app, url, opened)
