"""`make sbom` writes CycloneDX, with each package that a deployment installs and no other, as uv.lock has them."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from tests.servers.availability import Missing, required

ROOT = Path(__file__).parents[2]
#: Where `make` puts uv: beside the environment that the tests run in.
UV = Path(sys.prefix).resolve().parent / ".tools" / "bin" / "uv"


def written(place: Path) -> dict[str, Any]:
    """What the command of the Makefile writes, from the lock file alone: without a network and without a cache."""
    [command] = re.findall(r"^\t@\$\(UV\) (export .*--format cyclonedx.*?) >/dev/null$", makefile(), re.MULTILINE)
    arguments = shlex.split(command.replace("dist/portal-sync.cdx.json", str(place / "sbom.json")))
    if not UV.exists():
        raise Missing("uv, which writes the list of packages. `make test` installs it.")
    environment = {
        **os.environ,
        "UV_OFFLINE": "1",
        "UV_CACHE_DIR": str(place / "cache"),
        "UV_PYTHON": sys.executable,
        "UV_PYTHON_DOWNLOADS": "never",
    }
    subprocess.run([UV, *arguments], cwd=ROOT, env=environment, check=True, capture_output=True, timeout=60)
    found: dict[str, Any] = json.loads((place / "sbom.json").read_text())
    return found


def makefile() -> str:
    return (ROOT / "Makefile").read_text()


def deployed() -> set[tuple[str, str]]:
    """What the project needs, and what that needs, as the lock file has it; no group and no extra of the project."""
    packages = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    [project] = [
        each for each in packages if each["source"].get("editable") == "." or each["source"].get("virtual") == "."
    ]
    found: set[tuple[str, str]] = set()
    seen: set[tuple[str, str, str | None]] = set()
    waiting = list(project["dependencies"])
    while waiting:
        needed = waiting.pop()
        for package in packages:
            if package["name"] != needed["name"] or package["version"] != needed.get("version", package["version"]):
                continue
            found.add((package["name"], package["version"]))
            for extra in (None, *needed.get("extra", ())):
                key = (package["name"], package["version"], extra)
                if key not in seen:
                    seen.add(key)
                    more = package.get("optional-dependencies", {}).get(extra) if extra else package.get("dependencies")
                    waiting += more or []
    return found


def test_the_list_of_packages_is_cyclonedx_and_names_what_a_deployment_installs(tmp_path: Path) -> None:
    with required():
        found = written(tmp_path)
    assert (found["bomFormat"], found["specVersion"]) == ("CycloneDX", "1.5")
    assert found["metadata"]["component"]["name"] == "portal-sync"
    components = found["components"]
    assert {(each["name"], each["version"]) for each in components} == deployed()
    assert all(each["purl"] == f"pkg:pypi/{each['name']}@{each['version']}" for each in components)
    names = {each["name"] for each in components}
    assert {"argon2-cffi", "cryptography", "webauthn"} < names
    assert names.isdisjoint({"pytest", "ruff", "mypy", "playwright", "schemathesis"})
