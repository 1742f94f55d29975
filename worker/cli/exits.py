"""How a command ends: its exit code, and the one exception that ends it with an error message."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import IntEnum

from handlers.errors import RequestRefused


class ExitCode(IntEnum):
    """The exit codes that scripts may rely on; the epilog below explains them."""

    DONE = 0
    FAILED = 1
    MISUSED = 2
    UNAVAILABLE = 3
    NEEDS_PERSON = 4
    INTERRUPTED = 130


EPILOG = (
    "Exit codes: 0 done. 1 the request failed or was refused. 2 wrong usage, or a value or setting that does not"
    " fit. 3 the database, Redis or another server cannot be used. 4 done, and something needs your attention."
    " 130 interrupted."
)


class Problem(Exception):
    """Ends the command with one line on standard error: what happened, to which record, and what to do.

    Args:
        code: the exit code.
        details: further lines, such as each bad line of a file or the end of a process's log.
    """

    def __init__(self, message: str, code: ExitCode = ExitCode.FAILED, *, details: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.details = details


@contextmanager
def explain_refusals(labels: Mapping[str, str]) -> Iterator[None]:
    """Turn a refusal of a use case into a problem that names the option or argument it is about.

    Args:
        labels: what was typed, by the use case's name of the field: `{"email": "EMAIL x@y"}`.
    """
    try:
        yield
    except RequestRefused as refusal:
        raise problem_of(refusal, labels) from None


def problem_of(refusal: RequestRefused, labels: Mapping[str, str] | None = None) -> Problem:
    """A refusal in one line. An invalid value is wrong usage; anything else is a failure."""
    label = (labels or {}).get(refusal.field or "")
    words = f"{refusal.message} {refusal.remedy}".strip()
    code = ExitCode.MISUSED if refusal.code == "bad_request" else ExitCode.FAILED
    return Problem(f"{label}: {words}" if label else words, code)
