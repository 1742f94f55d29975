"""The options that select jobs and dead letters, declared once for all commands that take them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from inspect import Parameter
from typing import Annotated, Any, get_type_hints

import typer

from portal_db.states import JobState
from portal_db.work.job_search import Filter, group_named
from worker.cli.exits import ExitCode, Problem
from worker.cli.operator import OnlyPractice, age
from worker.cli.output import clean

Age = Annotated[str | None, typer.Option(metavar="AGE", help="Such as 15m, 6h or 2d.")]


@dataclass(frozen=True)
class JobOptions:
    """Options that select jobs."""

    practice: OnlyPractice = None
    kind: Annotated[str | None, typer.Option(metavar="KIND", help="Only jobs of this kind.")] = None
    code: Annotated[str | None, typer.Option(metavar="CODE", help="Only with this error code.")] = None
    text: Annotated[str | None, typer.Option(metavar="TEXT", help="Only with this in the message.")] = None
    older_than: Age = None
    newer_than: Age = None

    def as_filter(self, **more: Any) -> Filter:
        """The filter that the options and `more` make.

        Raises:
            Problem: an age is invalid.
        """
        return Filter(practice_id=self.practice, kind=self.kind, code=self.code, text=self.text,
                      older_than=age(self.older_than), newer_than=age(self.newer_than), **more)  # fmt: skip


@dataclass(frozen=True)
class DeadLetterOptions(JobOptions):
    """Options that select dead letters."""

    group: Annotated[str | None, typer.Option(metavar="GROUP", help="As `dead groups` prints it.")] = None

    def as_filter(self, **more: Any) -> Filter:
        """The filter that the options make.

        Raises:
            Problem: an age or the group is invalid.
        """
        group = group_named(self.group) if self.group is not None else None
        if self.group is not None and group is None:
            raise Problem(f"{clean(self.group)!r} is no group: see `portal-sync dead groups`.", ExitCode.MISUSED)
        return super().as_filter(states=(JobState.DEAD,), group=group, **more)


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of its parameter `options`, a dataclass such as `JobOptions`.

    Typer reads a command's signature, so the one it sees here has a parameter for each field of the dataclass.
    """
    declared = inspect.signature(command, eval_str=True).parameters
    kind = declared["options"].annotation
    hints = get_type_hints(kind, include_extras=True)
    added = [
        Parameter(f.name, Parameter.KEYWORD_ONLY, default=f.default, annotation=hints[f.name]) for f in fields(kind)
    ]

    @wraps(command)
    def run(**given: Any) -> None:
        command(options=kind(**{option.name: given.pop(option.name) for option in added}), **given)

    shown = [each for name, one in declared.items() for each in (added if name == "options" else [one])]
    run.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
    return run
