"""The Procfile as it stands, under honcho, on PostgreSQL and Redis: one import from the request to the welcome email."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from portal_db.states import ImportState
from tests.making import importable
from tests.servers.waiting import wait_until
from tests.worker.queue.desk import Desk
from tests.world import building
from worker.local.mail_catcher import MailCatcher
from worker.local.processes import free_port
from xpm.simulator.serve import SimulatorHandle

ROOT = Path(__file__).parents[2]


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def test_the_procfile_imports_a_client_and_stops_when_told(
    postgres_url: str, redis_url: str, simulator: SimulatorHandle, mail_catcher: MailCatcher, tmp_path: Path
) -> None:
    # Given PostgreSQL, Redis, a mail server, and a settings file as docs/deploy.md has it
    with building(postgres_url, simulator.api_url, simulator.config.access_token, mail_catcher) as world:
        desk, port = Desk.at(world, redis_url), free_port()
        settings = {
            "DATABASE_URL": desk.settings.database_url,
            "REDIS_URL": desk.settings.redis_url,
            "XPM_API_URL": desk.settings.xpm_api_url,
            "XPM_QUOTA_TIME_SCALE": "100",
            "SMTP_URL": desk.settings.smtp_url,
            "TOKEN_KEYS": ",".join(key.get_secret_value() for key in desk.settings.token_keys),
            "WEB_PORT": str(port),
            "OPS_PORT": str(free_port()),
            "SHUTDOWN_GRACE_SECONDS": "4",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        }
        file = tmp_path / "portal-sync.env"
        file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        command = [sys.executable, "-m", "honcho", "--env", str(file), "--procfile", "Procfile", "start"]
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
            try:
                # When everything is started, and somebody asks for a client with a welcome email
                wait_until(lambda: answers(port), "the portal is ready")
                asked = desk.ask(importable(simulator)[0].uuid, send_welcome_email=True)
                wait_until(lambda: not world.import_row(asked).state.is_open, "the import is closed")
                # Then the client is there, and one email was sent
                assert world.import_row(asked).state is ImportState.SUCCEEDED
                assert len(mail_catcher.deliveries()) == 1
            finally:
                # And Ctrl-C ends all of it; honcho kills what has not ended after five seconds
                process.send_signal(signal.SIGINT)
                process.wait(30)
        assert b"Traceback" not in (tmp_path / "log").read_bytes(), (tmp_path / "log").read_text()
