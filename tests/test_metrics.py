"""What processes count: listed in docs/metrics.md, and named in no other way than there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families

from config import metrics
from config.metrics import PREFIX, REGISTRY, metrics_answer
from worker.leader.gauges import GAUGES

ROOT = Path(__file__).parent.parent


def all_metrics() -> dict[str, tuple[str, tuple[str, ...], str]]:
    """Of each metric by its name: its type, its labels and its meaning."""
    found: dict[str, tuple[str, tuple[str, ...], str]] = {}
    for value in vars(metrics).values():
        if isinstance(value, MetricWrapperBase):
            name = value._name + ("_total" if value._type == "counter" else "")
            found[name] = (str(value._type), tuple(value._labelnames), value._documentation)
    return found | {f"{PREFIX}_{name}": ("gauge", labels, words) for name, (words, labels) in GAUGES.items()}


def test_every_metric_is_in_the_table_of_the_docs() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text()
    rows = re.findall(r"^\| `(portal_sync_\w+)` \| (\w+) \| (.*?) \| (.*?) \|$", page, flags=re.MULTILINE)
    wanted = [
        (name, kind, ", ".join(f"`{label}`" for label in labels), words)
        for name, (kind, labels, words) in all_metrics().items()
    ]
    assert sorted(rows) == sorted(wanted)


def test_a_scrape_has_all_that_is_counted_and_one_series_for_the_release() -> None:
    answer = metrics_answer()
    assert answer.content_type.startswith("text/plain")
    families = {family.name: family for family in text_string_to_metric_families(answer.body.decode())}
    assert {name.removesuffix("_total") for name in all_metrics()} - {f"{PREFIX}_{name}" for name in GAUGES} == set(
        families
    )
    [build] = families["portal_sync_build_info"].samples
    assert build.value == 1
    assert build.labels.keys() == {"version", "python"}
    assert not [name for name in families if name.endswith("_created")]
    assert REGISTRY.get_sample_value("portal_sync_leases_lost_total") is not None


@pytest.mark.parametrize(
    ("counter", "results"),
    [
        ("portal_sync_door_messages", {"accepted", "refused", "malformed"}),
        ("portal_sync_token_refreshes", {"succeeded", "refused", "failed", "lost"}),
    ],
)
def test_a_new_process_has_counted_none_of_what_alerts_wait_for(counter: str, results: set[str]) -> None:
    """A series that begins at one never increases: Prometheus would not see the first."""
    show = "from config.metrics import metrics_answer; print(metrics_answer().body.decode())"
    scrape = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True).stdout
    [samples] = [family.samples for family in text_string_to_metric_families(scrape) if family.name == counter]
    assert {sample.labels["result"]: sample.value for sample in samples} == dict.fromkeys(results, 0)
