"""The matrix as a table, and its place in the document that shows it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.faults.verdict import Verdict
from tests.servers.postgres import programs

_COLUMNS = ("injected", "in_flight", "lost", "doubled", "unknown", "stuck", "innocent_dead")
_PLACE = re.compile(r"(<!-- matrix -->\n).*(<!-- end of matrix -->)", re.DOTALL)


def totals(verdicts: Mapping[str, Verdict]) -> dict[str, Any]:
    """The sum of each count, the longest recovery, and how many verdicts are bad."""
    sums: dict[str, Any] = {name: sum(getattr(one, name) for one in verdicts.values()) for name in _COLUMNS}
    sums["recover_s"] = max((one.recover_s for one in verdicts.values() if one.recover_s is not None), default=None)
    return {**sums, "faults": len(verdicts), "bad": sum(bool(one.why_bad) for one in verdicts.values())}


def table(verdicts: Mapping[str, Verdict]) -> str:
    """One row for each fault, and one with the totals, in Markdown."""
    rows = [(name, one.as_json(), "" if not one.why_bad else " **bad**") for name, one in verdicts.items()]
    rows.append(("all", totals(verdicts), ""))
    lines = ["| fault | injected | in flight | lost | doubled | unknown | stuck | innocent dead | recover s |"]
    lines.append("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    for name, counts, mark in rows:
        values = [str(counts[column]) for column in (*_COLUMNS, "recover_s")]
        lines.append(f"| {name}{mark} | {' | '.join(values)} |")
    return "\n".join(lines)


def in_document(path: Path, verdicts: Mapping[str, Verdict], run: str) -> None:
    """Write the table, and what produced it, between the document's two marks."""
    made = f"{run}, {datetime.now(UTC):%Y-%m-%d}, on {machine()}; {', '.join(servers())}."
    text = f"{made}\n\n{table(verdicts)}"
    path.write_text(_PLACE.sub(lambda place: f"{place[1]}{text}\n{place[2]}", path.read_text()))


def machine() -> str:
    """A description of this machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{platform.system()} {platform.machine()} with {os.cpu_count()} cores and {memory:.0f} GiB"


def servers() -> list[str]:
    """The versions of Python and of the servers in use."""
    redis = shutil.which("redis-server") or shutil.which("valkey-server")
    said = [_said(str(programs() / "postgres"), "--version")]
    said.append(_said(redis, "--version").split(" sha=")[0] if redis else "Valkey of the wheel")
    return [f"Python {platform.python_version()}", *said]


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
