"""The page docs/guards.md, written from the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.mutants.mutant import Mutant

_HEAD = """# Guards

Each line of code below keeps something from going wrong. `make mutants` takes each away in turn, in a copy of the project,
and runs the tests named beside it: all of them must fail (*red*). A test that still passes does not need the guard (*green*),
an edit that no longer fits the source is *stale*, and a run that decides nothing is *broken*; each of these fails the command.
`ARGS="--json"` prints one object, `ARGS="--only NAME"` runs one, `ARGS="-k WORDS"` those whose name contains the words.

The table is in `tests/mutants/table/`, one file per area. A new guard comes with a mutant there; this page is written by
`python -m tests.mutants --page > docs/guards.md`, and a test compares the two. P1 to P22 number the ways in which dramatiq on
Redis loses, doubles or strands work, b.1 to b.36 the portal's behaviours. The invariants:

1. Every accepted import reaches exactly one closed state per epoch, and says why.
2. No client is created twice; no login email belongs to two logins; no XPM record is linked to two clients of a practice.
3. A welcome email is sent once or, if a crash leaves that unknown, is marked unknown and shown, never silently resent.
4. XPM never sees more than the quota; background work leaves room for interactive work.
5. Losing Redis loses no accepted work. Killing any process at any point loses no work and repeats no effect.
6. Nothing crosses practices; nothing personal is in Redis (the queue door aside), logs, traces or metrics.
7. Anything that waits says for what and until when.
"""


def page(areas: Mapping[str, Sequence[Mutant]]) -> str:
    """The page, ending in a line break."""
    parts = [_HEAD]
    for area, mutants in areas.items():
        parts.append(f"\n## {area}\n\n| guard | without it | mutant | tests |\n|---|---|---|---|\n")
        for mutant in mutants:
            tests = "<br>".join(f"`{_short(test)}`" for test in mutant.tests)
            parts.append(f"| {mutant.guard} | {mutant.answers} | `{mutant.name}` | {tests} |\n")
    return "".join(parts)


def _short(test: str) -> str:
    return test.removeprefix("tests/").partition("[")[0]
