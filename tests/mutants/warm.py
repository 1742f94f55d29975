"""Runs pytest many times over in a folder, each time in a fork of a process that has the libraries imported already.

Started as `python warm.py` in that folder. Reads one JSON line per run from standard input, `{"tests": [...], "seconds": n}`,
and answers each on standard output: `{"outcomes": {test id: outcome}}`, where an outcome is `passed`, `failed`, or what
kept the test from deciding anything. The project's own modules are never imported here, so every run reads the sources anew.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import signal
import sys
import time
import warnings
from typing import Any

import pytest

#: What a run without a guard may raise; these say that the edit is wrong and not that anybody noticed it.
NO_PROOF = (NameError, ImportError, SyntaxError)
OURS = frozenset(
    {"__main__", "__mp_main__", "bench", "config", "handlers", "portal_db", "tests", "web", "worker", "xpm"}
)


class Verdicts:
    """A pytest plugin that remembers how each test ended."""

    def __init__(self) -> None:
        self.outcomes: dict[str, str] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
        report: pytest.TestReport = yield
        if report.passed and report.when != "call":
            return report
        outcome = report.outcome if report.when == "call" else f"{report.outcome} in {report.when}"
        if call.excinfo is not None and report.failed:
            if isinstance(call.excinfo.value, NO_PROOF):
                outcome = f"{call.excinfo.typename}: {call.excinfo.value}"
            elif "from pytest-timeout" in str(call.excinfo.value):
                outcome = "timeout"
        if self.outcomes.get(item.nodeid, "passed") == "passed":
            self.outcomes[item.nodeid] = outcome
        return report

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.outcomes[report.nodeid] = f"cannot be collected: {str(report.longrepr).strip().splitlines()[-1]}"


def run_here(tests: list[str]) -> dict[str, Any]:
    """One run of pytest in this process, and the libraries that it imported."""
    verdicts = Verdicts()
    options = ["-q", "-n0", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    pytest.main([*options, *tests], plugins=[verdicts])
    libraries = [name for name in sys.modules if name.partition(".")[0] not in OURS]
    return {"outcomes": verdicts.outcomes, "libraries": libraries}


def run_in_fork(tests: list[str], seconds: float) -> dict[str, Any]:
    """One run of pytest in a process group of its own, which is ended after so long."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        os.close(reader)
        silence = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(silence, standard)
        with os.fdopen(writer, "w") as stream:
            json.dump(run_here(tests), stream)
        os._exit(0)
    os.close(writer)
    answer = _read_until_end(reader, time.monotonic() + seconds)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)  # whatever the run left behind too
    os.waitpid(child, 0)
    try:
        result: dict[str, Any] = json.loads(answer)
    except ValueError:
        result = {"outcomes": dict.fromkeys(tests, "timeout"), "libraries": []}
    return result


def _read_until_end(reader: int, until: float) -> bytes:
    read = b""
    with os.fdopen(reader, "rb", buffering=0) as stream:
        while select.select([stream], [], [], max(0.0, until - time.monotonic()))[0]:
            piece = stream.read(65_536)
            if not piece:
                break
            read += piece
    return read


def main() -> None:
    """Answer one run after the other; what the first one imported is imported here before the second."""
    sys.path.insert(0, os.getcwd())
    for line in sys.stdin:
        request = json.loads(line)
        result = run_in_fork(request["tests"], request["seconds"])
        print(json.dumps({"outcomes": result["outcomes"]}), flush=True)
        for name in result["libraries"]:
            if name not in sys.modules:
                with contextlib.suppress(Exception), warnings.catch_warnings(action="ignore"):
                    importlib.import_module(name)


if __name__ == "__main__":
    main()
