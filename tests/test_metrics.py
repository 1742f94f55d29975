"""What processes count: listed in docs/metrics.md, and named in no other way than there."""

from __future__ import annotations

import re
from pathlib import Path

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
