"""docs/api.md is a tour that can be copied and pasted: its blocks, run by bash and curl, all succeed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from handlers.access.caller import Scope
from portal_db.states import Role
from tests.making import importable
from tests.web.desk import Desk
from tests.world import World
from xpm.simulator.serve import SimulatorHandle

TOUR = Path(__file__).parents[3] / "docs" / "api.md"


@contextmanager
def working(world: World) -> Iterator[None]:
    """A worker that runs whatever is due, until the block ends."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.05):
            world.run_due()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)


def test_the_tour_can_be_copied_and_pasted(desk: Desk, simulator: SimulatorHandle, tmp_path: Path) -> None:
    blocks = re.findall(r"^```bash\n(.*?)^```", TOUR.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 8
    owner = desk.staff(Role.OWNER)
    environment = {
        **os.environ,
        "PORTAL": desk.url,
        "KEY": desk.key_of(desk.partner, Scope.READ, Scope.IMPORT),
        "STAFF": str(desk.partner.staff_id),
        "ADMIN_KEY": desk.key_of(owner),
        "ADMIN": str(owner.staff_id),
        "NAME": importable(simulator)[0].name,
        "no_proxy": "*",
    }
    script = "set -euo pipefail\n" + "\necho '#### next'\n".join(blocks)
    with working(desk.world):
        ran = subprocess.run(
            ["bash", "-c", script],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment,
            timeout=100,
            check=False,
        )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    *_, wrong = ran.stdout.split("#### next\n")
    assert [fault["field"] for fault in json.loads(wrong)["errors"]] == ["xpm_uuid", "kind"]
    assert "event: closed" in ran.stdout
    assert '"by_code":{"already_linked":1}' in ran.stdout
    assert "xpm_client_unknown" in (tmp_path / "failed.csv").read_text()
