"""Sentences of the tests of the web process: who signs in or calls with a key, and what is asked."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import httpx
from fastapi import FastAPI

from config.logging import set_up_logging
from config.settings import Settings
from handlers.access import api_keys, passwords
from handlers.access.caller import Scope
from handlers.access.practices import add_practice, add_staff
from portal_db.clients import clients
from portal_db.states import ClientKind, EntityType, Role
from tests.logging_restored import logging_restored
from tests.making import Account, account
from tests.servers.loopback import NO_TLS
from tests.servers.waiting import wait_until
from tests.web.apps import lent
from tests.world import World
from web.app import create_app
from web.counting import SharedCounts
from web.http.sign_in_limits import SignInLimits
from web.portal import Portal
from web.process import Address, server_of
from web.streams import Streams
from web.usage import UsageLimits
from worker.local.processes import LOOPBACK

PASSWORD = "seven small boats at sea"
API = "/api/v1"


@dataclass(frozen=True)
class Person:
    """Somebody who works at a practice and can sign in."""

    practice_id: UUID
    staff_id: UUID
    email: str


@dataclass
class Desk:
    """A served portal, and the world behind it."""

    world: World
    app: FastAPI
    url: str
    opened: ExitStack

    def staff(self, role: Role = Role.PARTNER, *, practice_id: UUID | None = None) -> Person:
        """One more person, with a password."""
        practice_id = practice_id or self.world.practice_id
        email = f"{role}-{uuid4().hex}@practice.example"
        staff_id = add_staff(self.world.database, practice_id, f"A {role}", email, role)
        return self.with_password(Person(practice_id, staff_id, email))

    def with_password(self, person: Person) -> Person:
        passwords.set_password(self.world.database, person.staff_id, person.practice_id, PASSWORD)
        return person

    def other_practice(self, role: Role = Role.OWNER) -> Person:
        """Somebody of another practice."""
        practice_id = add_practice(self.world.database, "Other", time_zone="Australia/Sydney", mfa_mandatory=True)
        return self.staff(role, practice_id=practice_id)

    @property
    def partner(self) -> Person:
        """Who is connected to XPM."""
        return Person(self.world.practice_id, self.world.staff_id, "")

    def entity(self, person: Person, name: str = "Blue Reef Pty Ltd") -> UUID:
        """A client of this person's that was not imported: they alone may see it."""
        with self.world.database.write() as tx:
            client_id = tx.new_id()
            shape = {"kind": ClientKind.ENTITY, "entity_type": EntityType.COMPANY, "name": name}
            row = {"id": client_id, "practice_id": person.practice_id, "created_by": person.staff_id, **shape}
            clients.add(tx, row)
            clients.make_visible(tx, [(client_id, person.staff_id)])
            return client_id

    def client(self, person: Person, name: str = "Gwen Mitchell", *, is_active: bool = True) -> Account:
        """A person who is a client of this person's, with an account."""
        made_of = (person.practice_id, person.staff_id, name)
        password_hash = passwords.hash_of(PASSWORD)
        return account(self.world.database, *made_of, password_hash=password_hash, is_active=is_active)

    def key_of(self, person: Person, *scopes: Scope) -> str:
        return api_keys.add(self.world.database, person.practice_id, "test", set(scopes or Scope)).secret

    def program(self, person: Person | None = None, *scopes: Scope, base_url: str | None = None) -> httpx.Client:
        """A program with an API key that acts for somebody (the partner)."""
        person = person or self.partner
        headers = {"Authorization": f"Bearer {self.key_of(person, *scopes)}", "X-Staff-Id": str(person.staff_id)}
        return self.browser(headers=headers, base_url=base_url or self.url)

    def browser(self, **options: Any) -> httpx.Client:
        """A browser that nobody has signed in with."""
        return self.opened.enter_context(
            httpx.Client(**{"base_url": self.url, "trust_env": False, "verify": NO_TLS, "timeout": 30, **options})
        )

    def signed_in(self, person: Person) -> httpx.Client:
        """A browser that somebody signed in with; its writes carry the CSRF token."""
        browser = self.browser()
        answer = browser.post(f"{API}/session", json={"email": person.email, "password": PASSWORD})
        assert answer.status_code == 201, answer.text
        browser.headers["X-CSRF-Token"] = answer.json()["csrf_token"]
        return browser


@contextmanager
def serving(world: World, redis_url: str, *, public_url: str | None = None, host: str = LOOPBACK) -> Iterator[Desk]:
    """The application on a free port, until the block ends."""
    with listening() as (listener, port):
        url = f"http://{host}:{port}"
        settings = world.services.settings.model_copy(
            update={
                "redis_url": redis_url,
                "public_url": public_url or url,
                "web_port": port,
                "shutdown_grace_seconds": 1.0,
            }
        )
        services = replace(world.services, settings=settings)
        tries = SignInLimits(settings, services.sources)
        uses = UsageLimits(SharedCounts(settings, services.sources, "usage"))
        portal = Portal(services, world.bell, tries, uses, Streams(), None)
        address = Address("web", settings.web_host, port)
        with lent(create_app, portal) as app, running(app, settings, address, listener), ExitStack() as opened:
            yield Desk(world, app, url, opened)


@contextmanager
def listening() -> Iterator[tuple[socket.socket, int]]:
    """A socket that listens on a free port, and the port: nobody else can take it before the server starts."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        yield listener, listener.getsockname()[1]


@contextmanager
def running(app: FastAPI, settings: Settings, address: Address, listener: socket.socket) -> Iterator[None]:
    """An application behind a real server, until the block ends."""
    server = server_of(app, settings, address)
    thread = threading.Thread(target=server.run, args=([listener],), name="web", daemon=True)
    with logging_restored():
        set_up_logging(settings)
        thread.start()
        try:
            wait_until(lambda: server.started, "the web server to start")
            yield
        finally:
            server.should_exit = True
            thread.join(10)
