"""Which alerts' expressions are true of what the processes on a stage answer to a scrape now.

The few forms of expression that our rules have are read here, so that the matrix needs no Prometheus. What compares with an
hour ago is true of no single scrape.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path

import httpx
import yaml  # type: ignore[import-untyped]  # it has no types
from prometheus_client.parser import text_string_to_metric_families

from worker.local.processes import Process

RULES = Path(__file__).parents[2] / "config" / "deploy" / "prometheus" / "alerts.yml"
_COMPARE: Mapping[str, Callable[[float, float], bool]] = {">": operator.gt, "<": operator.lt}
_SELECTOR = r"(?P<name>\w+)(?:\{(?P<matchers>[^}]*)\})?"
_THRESHOLD = re.compile(rf"{_SELECTOR} (?P<compare>[<>]) (?P<limit>[\d.]+)")
_SUM_OR_NONE = re.compile(r"\(sum\((?P<name>\w+)\) or vector\(0\)\) (?P<compare>[<>]) (?P<limit>[\d.]+)")
_ONE_WITHOUT = re.compile(r"max\((?P<name>\w+)\) == 1 unless on\(\) max\((?P<other>\w+)\)")
_AGE = re.compile(r"time\(\) - (?P<name>\w+) > (?P<limit>[\d.]+)")
_MATCHER = re.compile(r'(\w+)(=~|!=|=)"([^"]*)"')


class Scrape:
    """What several processes answered at one moment."""

    def __init__(self, texts: Iterable[str], now: float) -> None:
        self._samples = [
            sample
            for text in texts
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        ]  # fmt: skip
        self._now = now

    def values(self, name: str, matchers: str = "") -> list[float]:
        wanted = _MATCHER.findall(matchers or "")
        return [
            sample.value
            for sample in self._samples
            if sample.name == name and all(_matches(sample.labels.get(label, ""), *how) for label, *how in wanted)
        ]

    def is_true(self, expression: str) -> bool:
        """Whether an expression of one of our forms returns anything.

        Raises:
            ValueError: it has another form.
        """
        if "offset " in expression or "increase(" in expression:
            return False
        if found := _THRESHOLD.fullmatch(expression):
            compare, limit = _COMPARE[found["compare"]], float(found["limit"])
            return any(compare(value, limit) for value in self.values(found["name"], found["matchers"]))
        if found := _SUM_OR_NONE.fullmatch(expression):
            return _COMPARE[found["compare"]](sum(self.values(found["name"])), float(found["limit"]))
        if found := _ONE_WITHOUT.fullmatch(expression):
            return max(self.values(found["name"]), default=0) == 1 and not self.values(found["other"])
        if found := _AGE.fullmatch(expression):
            return any(self._now - value > float(found["limit"]) for value in self.values(found["name"]))
        raise ValueError(f"no form of expression that is read here: {expression}")

    def alerts(self) -> set[str]:
        """The alerts whose expressions are true."""
        return {name for name, expression in rules().items() if self.is_true(expression)}


def _matches(value: str, how: str, wanted: str) -> bool:
    if how == "=~":
        return re.fullmatch(wanted, value) is not None
    return (value == wanted) is (how == "=")


@cache
def rules() -> Mapping[str, str]:
    """The expressions of all alerts, by name."""
    [group] = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule["expr"] for rule in group["rules"]}


def scrape(processes: Iterable[Process], now: float) -> Scrape:
    """Ask those of these processes that run."""
    return Scrape([_metrics(process) for process in processes if process.exit_code is None], now)


def _metrics(process: Process) -> str:
    lines = [line for line in process.log().splitlines() if "metrics.listening" in line]
    port = json.loads(lines[-1])["port"]
    return httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False, timeout=10).text
