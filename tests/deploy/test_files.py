"""The files of config/deploy agree with the Procfile, with the settings, and with the programs that read them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]  # it has no types
from cryptography.fernet import Fernet

from config.exposure import require_safe
from config.listener import PORTS
from config.settings import Settings
from tests.servers.availability import Missing, required

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "config" / "deploy"
UNITS = DEPLOY / "systemd"
#: Where the units and the container expect the product.
INSTALLED = "/opt/portal-sync/.venv/bin/"


def procfile() -> dict[str, str]:
    """The Procfile's processes, with their commands."""
    lines = (ROOT / "Procfile").read_text().splitlines()
    return dict(line.split(": ", 1) for line in lines if line.strip())


def environment_file() -> dict[str, str]:
    lines = (DEPLOY / "portal-sync.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def commands_of_units() -> set[str]:
    """What the units start; a template's as each of the Procfile's workers would start it."""
    found = set()
    lanes = [command.split()[3] for command in procfile().values() if " worker " in command]
    for file in UNITS.glob("*.service"):
        (command,) = re.findall(r"^ExecStart=(.+)$", file.read_text(), re.MULTILINE)
        command = command.removeprefix(INSTALLED)
        found |= {command.replace("%i", lane) for lane in lanes} if "@" in file.name else {command}
    return found


def test_the_units_start_what_the_procfile_starts() -> None:
    wanted = {command.partition(" --threads")[0] for command in procfile().values()}
    assert commands_of_units() == wanted | {"portal-sync db upgrade"}


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not on this machine")
    # Given the units as they are installed, with an instance for the workers' template
    for file in UNITS.iterdir():
        name = file.name.replace("@.", "@background.")
        (tmp_path / name).write_text(file.read_text().replace(INSTALLED, f"{Path(sys.executable).parent}/"))
    # When systemd reads them
    files = sorted(map(str, tmp_path.iterdir()))
    run = subprocess.run(["systemd-analyze", "verify", "--man=no", *files], capture_output=True, text=True)
    # Then it finds nothing to say about ours
    complaints = [line for line in (run.stdout + run.stderr).splitlines() if "portal-sync" in line]
    assert (run.returncode, complaints) == (0, [])


def test_a_supervisor_waits_longer_than_running_jobs_may_take() -> None:
    grace = Settings.model_fields["shutdown_grace_seconds"].default
    for file in UNITS.glob("portal-sync-[wr]*.service"):
        (seconds,) = re.findall(r"^TimeoutStopSec=(\d+)$", file.read_text(), re.MULTILINE)
        assert float(seconds) > grace, file.name


def test_the_settings_file_names_settings_and_makes_a_valid_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given the file, with a key filled in
    values = environment_file()
    assert {name.lower() for name in values} <= Settings.model_fields.keys()
    for name, value in (values | {"TOKEN_KEYS": Fernet.generate_key().decode()}).items():
        monkeypatch.setenv(name, value)
    # When a process reads it
    settings = Settings.load()
    # Then nothing is missing
    assert settings.vault
    assert settings.xero_app == ("CHANGE-ME", "CHANGE-ME")
    assert not settings.is_local
    require_safe(settings)


def test_nginx_accepts_its_configuration(tmp_path: Path) -> None:
    nginx = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    openssl = shutil.which("openssl")
    if nginx is None or openssl is None:
        with required():
            raise Missing("nginx and openssl (Debian and Ubuntu: apt-get install nginx-light openssl).")
    # Given the configuration, with a certificate made for it
    certificate = ["-subj", "/CN=portal.example", "-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "crt")]
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", *certificate], check=True, capture_output=True
    )
    ours = (DEPLOY / "nginx.conf").read_text().replace("/var/log/nginx/", f"{tmp_path}/")
    for ending in ("crt", "key"):
        ours = ours.replace(f"/etc/nginx/tls/portal.example.{ending}", str(tmp_path / ending))
    whole = f"pid {tmp_path}/pid; error_log stderr; events {{}} http {{ access_log off; {ours} }}"
    (tmp_path / "nginx.conf").write_text(whole)
    # When nginx tests it
    run = subprocess.run([nginx, "-t", "-c", str(tmp_path / "nginx.conf")], capture_output=True, text=True)
    # Then it is accepted
    assert run.returncode == 0, run.stderr


def test_prometheus_accepts_its_configuration() -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not on this machine (Debian and Ubuntu: apt-get install prometheus)")
    run = subprocess.run(
        ["promtool", "check", "config", DEPLOY / "prometheus" / "prometheus.yml"], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr


def test_prometheus_asks_at_every_port_that_a_process_may_listen_on() -> None:
    text = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
    [scraped] = yaml.safe_load(text)["scrape_configs"]
    [machine] = scraped["static_configs"]
    first = int(environment_file()["METRICS_PORT"])
    assert machine["targets"] == [f"127.0.0.1:{port}" for port in range(first, first + PORTS)]


def test_the_container_runs_the_locked_packages_as_a_user_of_its_own() -> None:
    text = (DEPLOY / "Containerfile").read_text()
    version = re.search(r"^UV_VERSION := (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert version is not None
    assert f"uv=={version.group(1)}" in text
    assert "uv sync --locked" in text
    assert text.index("USER portal-sync") < text.index("CMD [")
    assert '"portal-sync", "worker"' in text
