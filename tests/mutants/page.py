"""The page docs/guards.md, rendered from the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.mutants.mutant import Mutant

_HEAD = """# Guards

A *guard* is a line of code that prevents a fault. `make mutants` removes each guard in turn, in a copy of the project, and runs the
tests named beside it: all of them must fail (*red*). If a test still passes, it does not check the guard (*green*). An edit that no
longer fits the source is *stale*, and a run without a result is *broken*. Each of these three fails the command.
`ARGS="--json"` prints one JSON object, `ARGS="--only NAME"` runs one guard, `ARGS="-k WORDS"` runs those whose name contains the words.

The table is in `tests/mutants/table/`, one file for each area. Add a mutant there with every new guard. Write this page with
`python -m tests.mutants --page > docs/guards.md`; a test compares the page with the table. P1 to P22 number the ways in which dramatiq
on Redis loses, doubles or strands work, b.1 to b.36 the portal's behaviours. The invariants:

1. Every accepted import reaches exactly one closed state in each epoch, with a reason.
2. No client is created twice; no login email belongs to two logins; no XPM record is linked to two clients of a practice.
3. A welcome email is sent once or, if a crash leaves that unknown, is marked unknown and shown, and never resent silently.
4. XPM never receives more calls than the quota allows; background work leaves room for interactive work.
5. Losing Redis loses no accepted work. Killing any process at any point loses no work and repeats no effect.
6. No data crosses practices; nothing personal is in Redis (except at the queue door), logs, traces or metrics.
7. Anything that waits says why and until when.
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
