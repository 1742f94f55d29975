"""`python -m bench NAME`: runs one measurement, with its own PostgreSQL and Redis, and prints the figures."""

from __future__ import annotations

import argparse
import json
import os
import random
from importlib import import_module


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    commands = parser.add_subparsers(dest="name", required=True)
    latency = commands.add_parser("latency", help="an idle system: noticing a rung job, and one whole import")
    latency.add_argument("--rounds", type=int, default=100, help="samples of each kind (default 100)")
    throughput = commands.add_parser("throughput", help="a batch: whole imports a second")
    throughput.add_argument("--imports", type=int, default=2000, help="XPM records to import (default 2000)")
    throughput.add_argument("--workers", type=int, default=2, help="worker processes (default 2)")
    limiter = commands.add_parser("limiter", help="XPM's quota: kept, fully used, with room for interactive calls")
    limiter.add_argument("--scale", type=float, default=10.0, help="how much faster the quota refills (default 10)")
    limiter.add_argument("--seed", type=int, default=random.randrange(10**6), help="seed of the interactive arrivals")
    parse = commands.add_parser("parse", help="a whole detailed list, read as XML and as JSON")
    parse.add_argument("--clients", type=int, default=15_000, help="XPM clients in the list (default 15000)")
    search = commands.add_parser("search", help="search over HTTP with a full directory")
    search.add_argument("--clients", type=int, default=15_000, help="records in the directory (default 15000)")
    search.add_argument("--samples", type=int, default=300, help="requests of each kind (default 300)")
    resync = commands.add_parser(
        "resync", help="relationships: a whole practice in one call of XPM, then a few changes"
    )
    resync.add_argument("--clients", type=int, default=15_000, help="linked clients (default 15000)")
    resync.add_argument("--relationships", type=int, default=40_000, help="their relationships (default 40000)")
    growth = commands.add_parser("growth", help="finished jobs and many practices: what the hot statements cost")
    growth.add_argument("--finished", type=int, nargs="+", default=[0, 100_000, 1_000_000], help="finished jobs")
    growth.add_argument("--practices", type=int, nargs="+", default=[10, 100, 1_000], help="practices with a backlog")
    endurance = commands.add_parser("endurance", help="what a worker holds after many jobs: memory and descriptors")
    endurance.add_argument("--jobs", type=int, default=10_000, help="jobs of one worker, about (default 10000)")
    for command in (latency, throughput, limiter, parse, search, resync, growth, endurance):
        command.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    options = {name: value for name, value in vars(arguments).items() if name not in ("name", "json")}
    measurement = import_module(f"bench.{arguments.name}")  # only the chosen one: each needs other libraries
    found = measurement.measure(**options) | {"cores": os.cpu_count()}
    print(json.dumps(found) if arguments.json else "\n".join(f"{name:>24}  {value}" for name, value in found.items()))


if __name__ == "__main__":
    main()
