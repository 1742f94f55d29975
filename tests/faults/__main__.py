"""Run the fault matrix and print the verdicts. The exit code is 1 if any verdict is bad."""

from __future__ import annotations

import argparse
import json
import random
import sys
from pathlib import Path

from tests.faults.matrix import FAULTS, run
from tests.faults.stage import LONG_IMPORTS, QUICK_IMPORTS
from tests.faults.table import in_document, table, totals


def main() -> int:
    """Read the command line, run the faults, print the verdicts."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="the short run: tens of imports for each fault, a lease of 4 s"
    )
    parser.add_argument(
        "--seed", type=int, default=random.randrange(10**6), help="the number that repeats a run's choices"
    )
    parser.add_argument(
        "--imports", type=int, help=f"imports for each fault ({LONG_IMPORTS}, with --quick {QUICK_IMPORTS})"
    )
    parser.add_argument("--only", metavar="TEXT", default="", help="only faults whose name contains this")
    parser.add_argument("--list", action="store_true", help="list the names of the faults and run nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the table into this document")
    arguments = parser.parse_args()
    imports: int = arguments.imports or (QUICK_IMPORTS if arguments.quick else LONG_IMPORTS)
    names = [name for name in FAULTS if arguments.only.lower() in name.lower()]
    if imports < QUICK_IMPORTS:
        parser.error(
            f"--imports: must be at least {QUICK_IMPORTS}, so that imports are in flight when the fault begins"
        )
    if not names:
        parser.error(f"no fault's name contains {arguments.only!r}; see --list")
    if arguments.list:
        print("\n".join(names))
        return 0
    print(f"seed {arguments.seed}, {len(names)} faults", file=sys.stderr, flush=True)
    verdicts = run(names, quick=arguments.quick, seed=arguments.seed, imports=imports)
    if arguments.json:
        found = {name: verdict.as_json() for name, verdict in verdicts.items()}
        print(
            json.dumps({"seed": arguments.seed, "quick": arguments.quick, "faults": found, "totals": totals(verdicts)})
        )
    else:
        print(table(verdicts))
    for name, verdict in verdicts.items():
        for problem in verdict.why_bad:
            print(f"{name}: {problem}", file=sys.stderr)
    if arguments.write:
        kind = "short" if arguments.quick else "long"
        in_document(
            arguments.write, verdicts, f"Seed {arguments.seed}, the {kind} run with {imports} imports for each fault"
        )
    return int(any(verdict.why_bad for verdict in verdicts.values()))


if __name__ == "__main__":
    sys.exit(main())
