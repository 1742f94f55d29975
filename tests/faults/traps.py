"""Traps that a fault sets for worker processes, and the marks that record how often, when and for which job a trap went off.

A trap is a file `<n>.trap`; each time it goes off, the process first leaves a file `<n>.<time>.fired`, created exclusively,
so that a trap never goes off more often than intended, even with two processes at the same point.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal
from uuid import UUID

#: The kind of job that a newer version of the workers knows.
NEW_KIND = "import_notes"
#: Another one, of jobs that belong to no import.
NEW_CHORE = "tidy_notes"


@dataclass(frozen=True)
class Trap:
    """Where a trap goes off, what it does and how often.

    It goes off at a `point` (claimed, fetched, uncommitted, committed, sending, sent) of jobs of one kind and practice,
    and if `name` is given, only for imports with that name; once for each job, unless `again`.
    """

    point: str
    kind: str
    practice_id: str
    action: Literal["kill", "stop", "hold"] = "kill"
    times: int = 1
    seconds: float = 0.0
    name: str | None = None
    again: bool = False


@dataclass(frozen=True)
class Mark:
    """Records that a trap went off: in which process, for which job, at what time (seconds since 1970)."""

    pid: int
    job_id: str
    at: float


def lay(folder: Path, trap: Trap) -> Path:
    """Set a trap, which works until its file is removed. Its number is new, because marks outlive their traps."""
    numbers = [int(file.name.split(".")[0]) for file in folder.iterdir()]
    path = folder / f"{max(numbers, default=-1) + 1}.trap"
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(asdict(trap)))
    return partial.rename(path)


def mark(path: Path, trap: Trap, job_id: UUID) -> int | None:
    """Leave a mark. `None` if the trap went off as often as it should, was removed, or went off for this job."""
    if not trap.again and any(found.job_id == str(job_id) for found in fired(path)):
        return None
    text = json.dumps(asdict(Mark(os.getpid(), str(job_id), time.time())))
    for number in range(trap.times):
        with suppress(FileExistsError):
            handle = os.open(path.with_suffix(f".{number}.fired"), os.O_CREAT | os.O_EXCL | os.O_WRONLY)
            os.write(handle, text.encode())
            os.close(handle)
            return number
    return None


def fired(path: Path) -> list[Mark]:
    """How often a trap has gone off so far, oldest first."""
    found = [file.read_text() for file in path.parent.glob(f"{path.stem}.*.fired")]
    return sorted((Mark(**json.loads(text)) for text in found if text), key=lambda one: one.at)
