"""`python -m bench NAME`: runs one measurement, with its own PostgreSQL and Redis, and prints the figures."""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
from importlib import import_module

from bench import results


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
    pages = commands.add_parser("pages", help="the portal's pages at a practice with many clients")
    pages.add_argument("--clients", type=int, default=15_000, help="the practice's clients (default 15000)")
    pages.add_argument("--samples", type=int, default=30, help="requests of each page (default 30)")
    resync = commands.add_parser(
        "resync", help="relationships: a whole practice in one call of XPM, then a few changes"
    )
    resync.add_argument("--clients", type=int, default=15_000, help="linked clients (default 15000)")
    resync.add_argument("--relationships", type=int, default=40_000, help="their relationships (default 40000)")
    growth = commands.add_parser("growth", help="finished jobs and many practices: what the hot statements cost")
    growth.add_argument("--finished", type=int, nargs="+", default=[0, 100_000, 1_000_000], help="finished jobs")
    growth.add_argument("--practices", type=int, nargs="+", default=[10, 100, 1_000], help="practices with a backlog")
    growth.add_argument("--imports", type=int, default=300, help="records in each small batch (default 300)")
    growth.add_argument("--jobs", type=int, default=5_000, help="jobs while the memory is watched (default 5000)")
    endurance = commands.add_parser("endurance", help="what a worker holds after many jobs: memory and descriptors")
    endurance.add_argument("--jobs", type=int, default=10_000, help="jobs of one worker, about (default 10000)")
    rivals = commands.add_parser("rivals", help="ours, dramatiq, Celery and procrastinate, side by side")
    rivals.add_argument("--rounds", type=int, default=5, help="rounds of each part; medians are printed (default 5)")
    rivals.add_argument("--singles", type=int, default=15, help="imports one by one in a round (default 15)")
    rivals.add_argument("--imports", type=int, default=200, help="imports of a batch (default 200)")
    rivals.add_argument("--backlog", type=int, default=5000, help="batch beside which single ones start (default 5000)")
    rivals.add_argument("--limit", type=float, default=120, help="seconds after which a side is cut off (default 120)")
    rivals.add_argument("--parts", nargs="+", default=["idle", "batch", "busy", "recovery"], help="what to measure")
    sides = ["ours", "dramatiq", "celery", "procrastinate"]
    rivals.add_argument("--sides", nargs="+", default=sides, choices=sides, help="whom to measure")
    quota = commands.add_parser("quota", help="calls of XPM for an import, and pacing against simpler ways")
    quota.add_argument("--clients", type=int, nargs="+", default=[1, 100, 5000], help="clients of a practice's import")
    quota.add_argument("--calls", type=int, default=600, help="records that need a call each (default 600)")
    quota.add_argument("--scale", type=float, default=10.0, help="how much faster the quota refills (default 10)")
    capacity = commands.add_parser("capacity", help="what an import and a sync cost each part; for docs/scaling.md")
    capacity.add_argument("--imports", type=int, default=1000, help="imports of the batch (default 1000)")
    capacity.add_argument("--syncs", type=int, default=20, help="syncs without a change (default 20)")
    capacity.add_argument("--idle-seconds", type=float, default=20, help="seconds without work (default 20)")
    console = commands.add_parser(
        "console", help="the operators' console and metrics, with a year's work in the record"
    )
    console.add_argument("--finished", type=int, default=1_000_000, help="finished jobs (default 1000000)")
    console.add_argument("--dead", type=int, default=10_000, help="dead letters (default 10000)")
    console.add_argument("--open", type=int, default=50_000, help="jobs that wait or are due (default 50000)")
    console.add_argument("--imports", type=int, default=2_000, help="records of each batch (default 2000)")
    console.add_argument("--samples", type=int, default=40, help="requests of each page (default 40)")
    console.add_argument("--rounds", type=int, default=6, help="batches with and without console (default 6)")
    every = (latency, throughput, limiter, parse, search, pages, resync, growth, rivals, quota, capacity, endurance,
             console)  # fmt: skip
    for command in every:
        command.add_argument("--json", action="store_true", help="print one JSON object")
        command.add_argument("--save", action="store_true", help="keep the figures in bench/results for the page")
    commands.add_parser("all", help="every measurement, then the page; about half an hour on two cores")
    commands.add_parser("page", help="write docs/benchmarks.md and its plots from bench/results")
    arguments = parser.parse_args()
    if arguments.name == "page":
        import_module("bench.page").write()
        return
    if arguments.name == "all":
        sys.exit(import_module("bench.every").run())
    options = {name: value for name, value in vars(arguments).items() if name not in ("name", "json", "save")}
    measurement = import_module(f"bench.{arguments.name}")  # only the chosen one: each needs other libraries
    found = measurement.measure(**options) | {"cores": os.cpu_count()}
    if arguments.save:
        results.save(results.name_of(arguments.name, options), found)
    print(json.dumps(found) if arguments.json else "\n".join(f"{name:>24}  {value}" for name, value in found.items()))


if __name__ == "__main__":
    main()
