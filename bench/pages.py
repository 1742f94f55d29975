"""The portal's pages at a practice with many clients: how long the web process takes for each.

Each XPM record of the directory is a client, half of them individuals with a login; a third have an item to review. All are
assigned to one partner, who signs in; an owner opens the admin settings.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import insert

from bench.deployment import Deployment, deployed
from bench.figures import p95
from bench.search import fill, start_web
from handlers.access import practices, sessions
from handlers.access.origin import Origin
from portal_db.access import credentials, members, people
from portal_db.clients import clients, relationships
from portal_db.database import Tx
from portal_db.directory import directories, search
from portal_db.states import ClientKind, ClientType, EntityType, ReviewState, Role, Subscription
from portal_db.tables import Client, DirectoryRecord, XpmLink
from portal_db.types import db_now
from portal_db.xero import connections
from worker.local.processes import LOOPBACK

WARMING = 3
AT_ONCE = 500
#: The pages by name. `{client}` is one of the clients, `{word}` a word of its name.
PAGES = {
    "client list": "/clients",
    "client list, by name": "/clients?order=name&size=100",
    "client list, last page": "/clients?order=oldest&page={last}",
    "client list, searched": "/clients?q={word}",
    "client list, filtered": "/clients?invitation=not_invited&connected=yes&kind=individual",
    "client": "/clients/{client}",
    "client, edited": "/clients/{client}/edit",
    "advanced search": "/search/results?q={word}&integration=xpm",
    "advanced search, ticked": "/search/results?q=&integration=xpm",
    "search in XPM": "/clients/add/xpm/results?q={word}",
    "what needs me": "/needs-me",
    "review": "/review",
    "review of a client": "/clients/{client}/review",
    "integration progress": "/integration-progress",
    "integrations": "/configure/integrations",
}
ADMIN = {
    "client list of an owner": "/clients",
    "staff": "/admin/staff",
    "firm": "/admin/firm",
    "audit": "/admin/audit",
    "API keys": "/admin/api-keys",
}


def measure(*, clients: int = 15_000, samples: int = 30) -> dict[str, Any]:
    """Open each page `samples` times, each time for another client."""
    with deployed(clients=clients) as deployment:
        fill(deployment)
        made = _add_clients(deployment)
        owner_id = practices.add_staff(
            deployment.database, deployment.practice_id, "Olive Owner", "olive@practice.example", Role.OWNER
        )
        port = start_web(deployment)
        found: dict[str, list[float]] = {}
        for staff_id, pages in ((deployment.staff_id, PAGES), (owner_id, ADMIN)):
            cookies = {"session": _signed_in(deployment, staff_id)}
            with httpx.Client(
                base_url=f"http://{LOOPBACK}:{port}", cookies=cookies, timeout=60, trust_env=False
            ) as browser:
                found |= {name: _ask(browser, path, made, samples) for name, path in pages.items()}
    by_page = {
        name: {"p50_ms": round(statistics.median(times), 1), "p95_ms": p95(times)} for name, times in found.items()
    }
    slowest = max(by_page, key=lambda name: by_page[name]["p95_ms"])
    return {"clients": len(made), "samples": samples, "pages": by_page, "slowest": slowest,
            "p95_ms": by_page[slowest]["p95_ms"]}  # fmt: skip


def _add_clients(deployment: Deployment) -> list[tuple[UUID, str]]:
    """Make each record of the directory a client. Returns their ids and names."""
    with deployment.database.write() as tx:
        connection = connections.get_one(tx, deployment.connection_id)
        directory = directories.ensure(tx, connection.xero_login_id, connection.tenant_id)
        records = search.all_records(tx, directory)
        rows = [(tx.new_id(), row) for row in records]
        for start in range(0, len(rows), AT_ONCE):
            _add(tx, deployment, rows[start : start + AT_ONCE], start)
    with deployment.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as engine:
        engine.exec_driver_sql("ANALYZE")  # as autovacuum does within a minute
    return [(client_id, str(row.record["name"])) for client_id, row in rows]


def _add(tx: Tx, deployment: Deployment, rows: Sequence[tuple[UUID, DirectoryRecord]], start: int) -> None:
    fixed = {"practice_id": deployment.practice_id, "created_by": deployment.staff_id, "is_new": False}
    shapes = list(_shapes(tx, len(rows), start))
    added = [
        {"id": client_id, "name": str(row.record["name"])[:80], **fixed, **shape}
        for (client_id, row), shape in zip(rows, shapes, strict=True)
    ]
    tx.session.execute(insert(Client).values(created_at=db_now()), added)
    clients.make_visible(tx, [(client_id, deployment.staff_id) for client_id, _ in rows])
    link = {
        "practice_id": deployment.practice_id,
        "connection_id": deployment.connection_id,
        "tenant_id": deployment.access.tenant_id,
    }
    links = [
        {**link, "id": tx.new_id(), "client_id": client_id, "xpm_uuid": row.xpm_uuid, "linked_by": deployment.staff_id}
        for place, (client_id, row) in enumerate(rows)
        if place % 10  # a tenth is only in the portal
    ]
    tx.session.execute(insert(XpmLink).values(linked_at=db_now()), links)
    item = {"practice_id": deployment.practice_id, "label": "Director", "label_key": "director", "version": 1}
    item |= {"state": ReviewState.PENDING, "as_of": deployment.database.sources.now()}
    items = [
        {**item, "id": tx.new_id(), "client_id": client_id, "other_xpm_uuid": tx.new_id(), "other_name": f"Dee {place}"}
        for place, (client_id, _) in enumerate(rows)
        if place % 3 == 0
    ]
    relationships.insert_rows(tx, items)


def _shapes(tx: Tx, count: int, start: int) -> Iterator[dict[str, Any]]:
    """Entities and individuals in turn, the individuals with a login."""
    for number in range(start, start + count):
        shape: dict[str, Any]
        if number % 2:
            shape = {"kind": ClientKind.ENTITY, "entity_type": EntityType.COMPANY}
            yield {**shape, "client_type": None, "subscription": None, "login_id": None}
        else:
            login_id, email = tx.new_id(), f"client{number}@mail.example"
            people.add_client_logins(tx, [(login_id, email, email)])
            shape = {"kind": ClientKind.INDIVIDUAL, "entity_type": None, "client_type": ClientType.PERSONAL}
            yield {**shape, "subscription": Subscription.STARTER, "login_id": login_id}


def _signed_in(deployment: Deployment, staff_id: UUID) -> str:
    """The cookie of a session."""
    with deployment.database.write() as tx:
        member = members.get(tx, deployment.practice_id, staff_id)
        assert member is not None, "they work there"
        found = credentials.by_login(tx, member.staff.login_id)
        assert found is not None, "they may sign in"
        return sessions.begin(tx, found, Origin("127.0.0.1")).session.token


def _ask(browser: httpx.Client, path: str, made: Sequence[tuple[UUID, str]], samples: int) -> list[float]:
    """The milliseconds of each request, without the first `WARMING`."""
    found = []
    for number in range(samples + WARMING):
        client_id, name = made[number * 7919 % len(made)]
        word = max(name.split(), key=len)
        began = time.perf_counter()
        browser.get(path.format(client=client_id, word=word, last=max(1, len(made) // 50))).raise_for_status()
        found.append((time.perf_counter() - began) * 1000)
    return found[WARMING:]
