"""A copy of the project in which guards are taken away, and the process that runs its tests there."""

from __future__ import annotations

import compileall
import contextlib
import json
import os
import py_compile
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from tests.mutants.mutant import Mutant, Stale

ROOT = Path(__file__).resolve().parents[2]
#: What a run of a mutant's tests may take, and each of them; far more than they need.
SECONDS, SECONDS_PER_TEST = 240.0, 120.0
#: Enough for all named tests on a slow machine.
BASELINE_SECONDS = 1800.0
NOT_COPIED = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info")


class Verdict(StrEnum):
    """What became of a mutant."""

    #: Every named test failed, as it should.
    RED = "red"
    #: Some named test passed: it does not need the guard.
    GREEN = "green"
    #: The edit does not fit the source any more.
    STALE = "stale"
    #: A test could not decide: not collected, ended in its set-up, ran out of time, or met a slip of the edit.
    BROKEN = "broken"


@dataclass(frozen=True)
class Result:
    """A mutant's verdict; `why` is empty for a red one."""

    name: str
    verdict: Verdict
    why: str = ""
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Workshop:
    """One copy, used by one thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        # Before the installed project, whose modules are those of the original folder.
        environment = inherited | {"PYTHONPATH": str(folder), "PYTEST_ADDOPTS": f"--timeout={SECONDS_PER_TEST:.0f}"}
        environment.setdefault("TEST_SEED", "1")  # the same chances for every guard, and on every machine
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("warm.py"))],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        self._process.communicate()

    def run(self, tests: Sequence[str], seconds: float = BASELINE_SECONDS) -> dict[str, str]:
        """Run tests as the copy now is.

        Returns:
            How each ended; `not run` where pytest knows no such test.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"tests": list(tests), "seconds": seconds}) + "\n")
        self._process.stdin.flush()
        outcomes = json.loads(self._process.stdout.readline())["outcomes"]
        unasked = [f"{name}: {outcome}" for name, outcome in outcomes.items() if name not in tests]
        return {test: outcomes.get(test, "; ".join(unasked) or "not run") for test in tests}

    def judge(self, mutant: Mutant) -> tuple[Verdict, str]:
        """Take a mutant's guard away, run its tests, and put the guard back.

        Returns:
            The verdict, and why it is not red.
        """
        try:
            before = mutant.apply(self._folder)
        except Stale as stale:
            return Verdict.STALE, str(stale)
        try:
            return verdict_of(self.run(mutant.tests, SECONDS))
        finally:
            for path, source in before.items():
                path.write_text(source, encoding="utf-8")


def verdict_of(outcomes: dict[str, str]) -> tuple[Verdict, str]:
    """Red only when each test failed by itself."""
    undecided = [f"{test}: {outcome}" for test, outcome in outcomes.items() if outcome not in ("failed", "passed")]
    if undecided:
        return Verdict.BROKEN, "; ".join(undecided)
    passed = [test for test, outcome in outcomes.items() if outcome == "passed"]
    return (Verdict.GREEN, f"passes without it: {', '.join(passed)}") if passed else (Verdict.RED, "")


@contextlib.contextmanager
def workshop(original: Path = ROOT) -> Iterator[Workshop]:
    """A workshop in a temporary folder, which is removed at the end.

    Bytecode is tied to the sources' content: a time stamp of a second would confuse an edit with what it replaced.
    """
    with tempfile.TemporaryDirectory(prefix="mutants-") as temporary:
        folder = Path(temporary) / "project"
        shutil.copytree(original, folder, ignore=NOT_COPIED)
        compileall.compile_dir(folder, quiet=2, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)
        made = Workshop(folder)
        try:
            yield made
        finally:
            made.close()
