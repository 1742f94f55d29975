"""The queue contract from another language: the Node program of docs/queue-contract.md asks for imports at the real door."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from handlers.access import producers
from portal_db.states import ImportState
from tests.making import importable
from tests.servers.waiting import wait_until
from tests.worker.queue.desk import Desk
from xpm.simulator.serve import SimulatorHandle

PROGRAM = Path(__file__).parent / "node" / "request_import.mjs"
PAGE = Path(__file__).parents[3] / "docs" / "queue-contract.md"


@pytest.fixture(scope="module")
def node() -> str:
    """Node 18 or newer. Continuous integration must have it."""
    found = shutil.which("node")
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout if found else ""
    if found and int(version.removeprefix("v").partition(".")[0]) >= 18:
        return found
    missing = f"Node 18 or newer is not on this machine ({version.strip() or 'none found'})"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{missing}; continuous integration needs it.")
    pytest.skip(f"{missing}.")


def ask(node: str, desk: Desk, request: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    made = producers.add(desk.world.database, desk.settings.vault, "Node", [desk.world.practice_id])
    environment = {
        **os.environ,
        "PRODUCER": str(made.producer_id),
        "PRODUCER_SECRET": made.secret,
        "REDIS_URL": desk.settings.redis_url,
        "REDIS_NAMESPACE": desk.settings.redis_namespace,
    }
    command = [node, str(PROGRAM), json.dumps(request)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)


def test_a_request_from_node_becomes_one_import_and_is_done(
    strict_desk: Desk, simulator: SimulatorHandle, node: str
) -> None:
    desk, person = strict_desk, importable(simulator)[0]
    request = desk.world.request(person.uuid, name="Zoë 東京 🐾").model_dump(mode="json")
    with desk.working():
        first, again = ask(node, desk, request), ask(node, desk, request)
        assert first.returncode == 0, first.stderr
        told = json.loads(first.stdout)
        assert (told["status"], json.loads(again.stdout)["import_id"]) == ("accepted", told["import_id"])
        import_id = UUID(told["import_id"])
        wait_until(partial(desk.is_closed, import_id), "it is closed")
    row = desk.world.import_row(import_id)
    assert (row.state, row.name) == (ImportState.SUCCEEDED, "Zoë 東京 🐾")
    assert desk.world.scalar("select count(*) from imports") == 1


def test_a_request_that_does_not_fit_is_told_so_with_the_field(strict_desk: Desk, node: str) -> None:
    request = {**strict_desk.world.request(uuid4()).model_dump(mode="json"), "kind": "dragon"}
    with strict_desk.working():
        ran = ask(node, strict_desk, request)
    assert ran.returncode == 1, ran.stderr
    told = json.loads(ran.stdout)
    assert (told["status"], told["code"], told["field"]) == ("refused", "bad_request", "kind")


def test_a_refused_request_is_corrected_under_the_same_id(strict_desk: Desk, node: str) -> None:
    # Given a refused request, whose receipt is still there
    request = strict_desk.world.request(uuid4()).model_dump(mode="json")
    with strict_desk.working():
        assert ask(node, strict_desk, {**request, "kind": "dragon"}).returncode == 1
        # When it is corrected and sent again, and then once more with something else
        corrected = ask(node, strict_desk, request)
        other = ask(node, strict_desk, {**request, "name": "Another"})
    # Then the correction is accepted and the other refused, as one import
    assert corrected.returncode == 0, corrected.stderr
    told, refused = json.loads(corrected.stdout), json.loads(other.stdout)
    assert (told["status"], refused["import_id"]) == ("accepted", told["import_id"])
    assert (other.returncode, refused["refused"]["code"]) == (1, "idempotency_conflict")
    assert strict_desk.world.scalar("select count(*) from imports") == 1


def test_a_receipt_is_found_however_the_request_spells_its_ids(strict_desk: Desk, node: str) -> None:
    request = strict_desk.world.request(uuid4()).model_dump(mode="json")
    spelled = {"practice_id": request["practice_id"].upper(), "request_id": f" {request['request_id']} "}
    with strict_desk.working():
        ran = ask(node, strict_desk, {**request, **spelled})
    assert ran.returncode == 0, ran.stderr


def test_the_page_shows_that_very_program() -> None:
    assert f"```js\n{PROGRAM.read_text()}```\n" in PAGE.read_text()
