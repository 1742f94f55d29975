"""What a metric of this process has grown by, whatever was counted before."""

from __future__ import annotations

from collections.abc import Callable

from config.metrics import PREFIX, REGISTRY


def growth(name: str, **labels: str) -> Callable[[], float]:
    """Call the result to learn by how much a metric, named without its prefix, has grown since now."""

    def value() -> float:
        return REGISTRY.get_sample_value(f"{PREFIX}_{name}", labels) or 0.0

    before = value()
    return lambda: value() - before
