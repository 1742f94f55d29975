"""`python -m tests.mutants`: take each guard away in turn, and see the tests that should notice go red."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue

from tests.mutants.mutant import Mutant
from tests.mutants.page import page
from tests.mutants.table import AREAS, MUTANTS
from tests.mutants.workshop import ROOT, Result, Verdict, Workshop, workshop

#: Copies of the project that are worked on at the same time.
WORKSHOPS = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 when every chosen mutant is red, 1 when one is not, 2 when there is nothing to judge by."""
    options = _parser().parse_args(arguments)
    if options.page:
        print(page(AREAS), end="")
        return 0
    chosen = [mutant for mutant in MUTANTS if _is_chosen(mutant, options.only, options.k)]
    if not chosen:
        print("No mutant has such a name; --page lists them.", file=sys.stderr)
        return 2
    try:
        results = judge(chosen)
    except BaselineFailed as failed:
        print(failed, file=sys.stderr)
        return 2
    totals = Counter(result.verdict.value for result in results)
    if options.json:
        counted = {verdict.value: totals[verdict.value] for verdict in Verdict}
        report = {"mutants": [result.as_json() for result in results], "totals": counted}
        print(json.dumps(report, indent=2))
    else:
        for result in results:
            print(f"{result.verdict:<6} {result.name}" + (f"\n       {result.why}" if result.why else ""))
        print(", ".join(f"{count} {verdict}" for verdict, count in totals.items()))
    return 0 if totals.keys() == {Verdict.RED.value} else 1


class BaselineFailed(Exception):
    """A named test does not pass with all guards in place."""


def judge(mutants: Sequence[Mutant], original: Path = ROOT) -> list[Result]:
    """The verdict on each mutant, in their order.

    Args:
        original: the project that is copied; it is not changed.

    Raises:
        BaselineFailed: a named test fails, or is skipped, with all guards in place.
    """
    with ExitStack() as stack, ThreadPoolExecutor(WORKSHOPS) as threads:
        free: SimpleQueue[Workshop] = SimpleQueue()
        shops = [stack.enter_context(workshop(original)) for _ in range(min(WORKSHOPS, len(mutants)))]
        _require_green(shops, mutants, threads)
        for shop in shops:
            free.put(shop)

        def one(mutant: Mutant) -> Result:
            shop, began = free.get(), time.monotonic()
            try:
                verdict, why = shop.judge(mutant)
            finally:
                free.put(shop)
            result = Result(mutant.name, verdict, why, round(time.monotonic() - began, 1))
            _say(f"{result.verdict:<6} {result.seconds:5.1f} s  {result.name}")
            return result

        return list(threads.map(one, mutants))


def _require_green(shops: Sequence[Workshop], mutants: Sequence[Mutant], threads: ThreadPoolExecutor) -> None:
    """Run every named test with all guards in place, a share in each workshop."""
    tests = sorted({test for mutant in mutants for test in mutant.tests})
    _say(f"{len(mutants)} mutants; first their {len(tests)} tests with all guards in place")
    shares = [tests[number :: len(shops)] or tests[:1] for number in range(len(shops))]
    found: dict[str, str] = {}
    for outcomes in threads.map(lambda shop, share: shop.run(share), shops, shares):
        found |= outcomes
    bad = [f"  {test}: {outcome}" for test, outcome in sorted(found.items()) if outcome != "passed"]
    if bad:
        raise BaselineFailed("These tests must pass with all guards in place, and do not:\n" + "\n".join(bad))


def _is_chosen(mutant: Mutant, only: Sequence[str], words: str) -> bool:
    return (not only or mutant.name in only) and words in mutant.name


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one object with every verdict and the totals")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="this mutant only; may be repeated")
    parser.add_argument("-k", default="", metavar="WORDS", help="only mutants whose name contains this")
    parser.add_argument("--page", action="store_true", help="print docs/guards.md as the table has it, and run nothing")
    return parser


if __name__ == "__main__":
    sys.exit(main())
