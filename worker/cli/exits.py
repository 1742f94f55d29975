"""How a command ends: the exit codes, and the one exception that ends one with a line for its reader."""

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
    """Ends the command with one line on standard error: what, which, and what to do.

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
def refusals_naming(given: Mapping[str, str]) -> Iterator[None]:
    """Turn a refusal into a problem that names the command line's own argument.

    Args:
        given: by the use case's name of a field, what the command line had in its place: `{"email": "EMAIL x@y"}`.
    """
    try:
        yield
    except RequestRefused as refusal:
        raise as_problem(refusal, given) from None


def as_problem(refusal: RequestRefused, given: Mapping[str, str]) -> Problem:
    """A refusal in one line. An invalid value is wrong usage; anything else is a failure."""
    about = given.get(refusal.field or "")
    words = f"{refusal.message} {refusal.remedy}".strip()
    code = ExitCode.MISUSED if refusal.code == "bad_request" else ExitCode.FAILED
    return Problem(f"{about}: {words}" if about else words, code)
