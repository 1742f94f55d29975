"""Ours and the queues that a team would pick instead, side by side: the same imports by each, on the same servers."""

from __future__ import annotations

from typing import Any


def measure(**options: Any) -> dict[str, Any]:
    """`bench.rivals.compare.measure`, loaded only for a comparison: every worker of a rival imports this package."""
    from bench.rivals import compare

    return compare.measure(**options)
