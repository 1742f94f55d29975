"""Alerts and dashboard speak of metrics that exist, and each alert leads to what to do about it.

With promtool (Debian's package `prometheus`) the rules are also checked and tried; CI does without.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # it has no types

from tests.faults.alarms import Scrape
from tests.test_metrics import all_metrics

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "config" / "deploy" / "prometheus"
DASHBOARD = ROOT / "config" / "deploy" / "grafana" / "portal-sync.json"
RUNBOOK = ROOT / "docs" / "operations.md"
#: Labels that Prometheus, or a function, adds.
FOREIGN_LABELS = {"le", "instance", "job"}
SUFFIXES = ("_bucket", "_count", "_sum")


def alerts() -> list[dict[str, Any]]:
    [group] = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in alerts())
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        yield from (target["expr"] for target in panel["targets"])


def unknown(expression: str) -> list[str]:
    """The metrics and labels of an expression that no process has."""
    metrics, found = all_metrics(), []
    used: set[str] = set()
    for name, matchers in re.findall(r"(portal_sync_\w+)(?:\{([^}]*)\})?", expression):
        base = next((name.removesuffix(end) for end in SUFFIXES if name.removesuffix(end) in metrics), name)
        if base not in metrics or (base != name) != (metrics[base][0] == "histogram"):
            found.append(name)
            continue
        used |= set(metrics[base][1])
        found += [label for label in re.findall(r"(\w+)\s*[!=]", matchers) if label not in metrics[base][1]]
    grouped = [label for labels in re.findall(r"\bby \(([^)]*)\)", expression) for label in labels.split(", ")]
    return found + [label for label in grouped if label not in used | FOREIGN_LABELS]


def anchors() -> set[str]:
    """The anchors of the runbook's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", RUNBOOK.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_rules_and_dashboard_use_metrics_and_labels_that_exist() -> None:
    assert {expression: what for expression in expressions() if (what := unknown(expression))} == {}


@pytest.mark.parametrize(
    ("expression", "what"),
    [
        ("portal_sync_job_total > 1", ["portal_sync_job_total"]),
        ("portal_sync_job_duration_seconds > 1", ["portal_sync_job_duration_seconds"]),
        ('portal_sync_jobs{practice="x"} > 1', ["practice"]),
        ("sum by (practice) (portal_sync_jobs)", ["practice"]),
    ],
)
def test_what_does_not_exist_is_noticed(expression: str, what: list[str]) -> None:
    assert unknown(expression) == what


def test_every_metric_is_on_the_dashboard() -> None:
    shown = " ".join(
        target["expr"] for panel in json.loads(DASHBOARD.read_text())["panels"] for target in panel["targets"]
    )
    assert [name for name in all_metrics() if name not in shown] == []


def test_every_alert_leads_to_a_section_of_the_runbook_and_is_listed_there() -> None:
    listed = re.findall(
        r"^\| `(PortalSync\w+)` \| (\w+) \| .* \| \[.*\]\(#(.*)\) \|$", RUNBOOK.read_text(), re.MULTILINE
    )
    wanted = [
        (rule["alert"], rule["labels"]["severity"], rule["annotations"]["runbook_url"].split("operations.md#")[1])
        for rule in alerts()
    ]
    assert listed == wanted
    assert {anchor for _, _, anchor in wanted} <= anchors()
    assert {severity for _, severity, _ in wanted} == {"page", "ticket"}


def test_every_alert_is_tried_both_ways() -> None:
    tests = yaml.safe_load((PROMETHEUS / "alerts_test.yml").read_text())["tests"]
    assert [test["name"] for test in tests] == [
        f"{rule['alert']} {what}" for rule in alerts() for what in ("fires", "is quiet")
    ]


@pytest.mark.parametrize("what", [("check", "rules", "alerts.yml"), ("test", "rules", "alerts_test.yml")], ids=" ".join)
def test_prometheus_accepts_the_rules_and_they_fire_when_they_should(what: tuple[str, ...]) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not on this machine (Debian and Ubuntu: apt-get install prometheus)")
    run = subprocess.run(["promtool", *what], cwd=PROMETHEUS, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_what_the_fault_matrix_reads_of_the_rules_is_all_of_them() -> None:
    """Every form of expression is one that it can read, and a healthy portal makes none of them true."""
    healthy = """
portal_sync_relay_leader 1
portal_sync_jobs{lane="import",state="dead"} 0
portal_sync_needs_person{code="redis_away"} 0
portal_sync_oldest_due_job_age_seconds{lane="interactive"} 59
portal_sync_oldest_due_job_age_seconds{lane="import"} 600
portal_sync_schedule_last_success_timestamp_seconds{type="reconcile"} 1000
"""
    assert Scrape([healthy], 2000.0).alerts() == set()
    assert Scrape([healthy.replace(" 59", " 61")], 2000.0).alerts() == {"PortalSyncPeopleWait"}
    assert Scrape([healthy.replace(" 600", " 601")], 2000.0).alerts() == {"PortalSyncBatchesWait"}
    old = healthy + 'portal_sync_oldest_due_job_age_seconds{lane="email"} 1801\n'
    assert Scrape([old], 2000.0).alerts() == {"PortalSyncJobsOld"}
    assert Scrape([healthy], 200_000.0).alerts() == {"PortalSyncScheduleLate"}
    assert Scrape(["portal_sync_relay_leader 0\n"], 2000.0).alerts() == {"PortalSyncNoRelay"}
    assert Scrape(["portal_sync_relay_leader 1\n"], 2000.0).alerts() == {"PortalSyncGaugesGone"}
    away = healthy.replace('away"} 0', 'away"} 1')
    assert Scrape([away], 2000.0).alerts() == {"PortalSyncRedisAway"}
