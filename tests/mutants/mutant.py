"""What a mutant is: a guard, the exact edit that takes it away, and the tests that should notice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class Stale(Exception):
    """An edit does not fit the source any more; the message says which."""


@dataclass(frozen=True)
class Edit:
    """`old`, which stands in `file` exactly once, becomes `new`."""

    file: str
    old: str
    new: str = ""

    def applied_to(self, source: str) -> str:
        """The source without the guard.

        Raises:
            Stale: the old text stands there not at all, or several times.
        """
        found = source.count(self.old)
        if found != 1:
            raise Stale(f"{self.file} has {found} places that read {self.old.strip().splitlines()[0]!r}")
        return source.replace(self.old, self.new)


@dataclass(frozen=True)
class Mutant:
    """A guard, and how to take it away.

    Args:
        name: stable, for `--only`.
        guard: what the code does, in a few words.
        answers: what would happen without it: hazards (P1 to P22), invariants (1 to 7), portal behaviours (b.1 to b.36).
        edits: all made together.
        tests: pytest ids; every one of them must fail without the guard.
    """

    name: str
    guard: str
    answers: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]

    def apply(self, folder: Path) -> dict[Path, str]:
        """Make the edits in a copy of the project.

        Returns:
            What the changed files held before.

        Raises:
            Stale: an edit does not fit; nothing was changed.
        """
        before: dict[Path, str] = {}
        after: dict[Path, str] = {}
        for edit in self.edits:
            path = folder / edit.file
            before.setdefault(path, path.read_text(encoding="utf-8") if path.exists() else "")
            after[path] = edit.applied_to(after.get(path, before[path]))
        for path, source in after.items():
            path.write_text(source, encoding="utf-8")
        return before
