"""Smoke runs measure nothing, so their processes may be forked from one that has loaded the product."""

from __future__ import annotations

from functools import partial

import pytest

from bench import deployment
from worker.local.processes import Supervised


@pytest.fixture(autouse=True)
def _loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployment, "Supervised", partial(Supervised, loaded=["worker.process"]))
