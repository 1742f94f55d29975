"""The demo, end to end as separate processes, judged by the simulator's truth and the mail catcher's own list."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

from tests import truth

CLIENTS = 400
SEED = 7


def demo(folder: Path, *arguments: str) -> dict[str, Any]:
    """Run `portal-sync demo` with its state in `folder`; what it printed."""
    command = [sys.executable, "-m", "worker.cli", "demo", "--clients", str(CLIENTS), "--seed", str(SEED)]
    run = subprocess.run([*command, "--data", str(folder), "--json", *arguments], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    printed: dict[str, Any] = json.loads(run.stdout)
    return printed


def recipients(folder: Path) -> list[str]:
    """To whom the mail catcher took mail, as often as it did."""
    lines = (folder / "mail" / "deliveries.jsonl").read_text().splitlines()
    return sorted(json.loads(line)["recipient"].casefold() for line in lines)


def judge(found: dict[str, Any], folder: Path, *, odd_percent: float = 0.0) -> None:
    """Hold a demo's figures and its mail against the truth."""
    rows = sorted(truth.read(folder / "truth.jsonl"), key=lambda row: UUID(row["uuid"]))
    wanted = truth.expected(rows, odd_percent)
    assert wanted.imports["succeeded"] > len(rows) / 2, "the practice is too odd to prove anything"
    assert set(wanted.rejections) - {"email_ambiguous"} == {
        "email_missing", "email_invalid", "email_taken", "xpm_client_archived", "xpm_client_deleted"
    }  # fmt: skip
    assert found["imports"] == dict(wanted.imports)
    assert found["rejections"] == dict(wanted.rejections)
    assert found["clients_created"] == wanted.clients_created
    assert found["entities_created"] == wanted.entities_created
    assert found["left_out"] == dict(wanted.left_out)
    assert found["details_imported"] == wanted.imports["succeeded"]
    assert found["relationships_found"] == wanted.relationships_found
    assert found["welcome_emails"] == len(wanted.recipients)
    assert recipients(folder) == sorted(wanted.recipients)
    assert (found["unfinished"], found["dead"], found["xpm_429"]) == (0, 0, 0)
    assert found["xpm_calls"] <= (10 if odd_percent else 5)


def test_four_hundred_clients_come_out_as_the_truth_has_them_and_a_second_run_changes_nothing(tmp_path: Path) -> None:
    # Given a practice of 400, when all of it is imported
    first = demo(tmp_path)
    # Then every eligible record was imported once, every other one rejected for the right reason, and nobody mailed twice
    judge(first, tmp_path)
    # And the first call was not put off, as it is while a new Redis may have forgotten who calls
    assert "code=xpm_quota" not in (tmp_path / "logs" / "worker-background.log").read_text()
    # When the demo goes on from the state that is there
    second = demo(tmp_path)
    # Then nothing has changed, and nothing was asked of XPM again
    judge(second, tmp_path)
    assert {**first, "seconds": 0, "xpm_calls": 0} == {**second, "seconds": 0, "xpm_calls": 0}
    assert second["xpm_calls"] == 0


def test_the_same_on_postgresql_and_a_real_redis_with_two_worker_processes(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    # Given PostgreSQL, a Redis server, and two processes for the imports
    found = demo(tmp_path, "--database-url", postgres_url, "--redis-url", redis_url, "--workers", "2")
    # Then the result is the same
    judge(found, tmp_path)
