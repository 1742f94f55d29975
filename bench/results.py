"""Keeps figures with the machine, the versions and the day on which they were measured: `bench/results/NAME.json`."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.servers.postgres import programs

FOLDER = Path(__file__).parent / "results"
_LIBRARIES = ("dramatiq", "celery", "procrastinate")


@dataclass(frozen=True)
class Result:
    """The figures of one measurement, and where and when they were measured."""

    figures: dict[str, Any]
    measured: dict[str, str]


def name_of(bench: str, options: Mapping[str, Any]) -> str:
    """The name under which figures are kept: a part of the comparison, and each size of a batch, by itself."""
    match bench:
        case "rivals" if len(options["parts"]) == 1:
            return f"rivals-{options['parts'][0]}"
        case "throughput":
            return f"throughput-{options['imports']}"
        case _:
            return bench


def save(name: str, figures: Mapping[str, Any]) -> None:
    """Keep figures, in place of earlier ones of this name."""
    FOLDER.mkdir(exist_ok=True)
    found = {"measured": _circumstances(), "figures": figures}
    (FOLDER / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")


def load() -> dict[str, Result]:
    """All kept results, by name."""
    read = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
    return {name: Result(found["figures"], found["measured"]) for name, found in read.items()}


def _circumstances() -> dict[str, str]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    server = shutil.which("redis-server") or shutil.which("valkey-server")
    found = {
        "date": datetime.now(UTC).date().isoformat(),
        "cores": str(os.cpu_count()),
        "memory": f"{memory:.0f} GB",
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        "PostgreSQL": _says([str(programs() / "postgres"), "--version"]).split()[-1].strip("()"),
    }
    if server is not None:
        found["Redis"] = _says([server, "--version"]).partition("v=")[2].partition(" ")[0]
    return found | {name: version(name) for name in _LIBRARIES}


def _says(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
