"""Short nights with leaders that are killed and held up; `python -m tests.leader` plays a long one."""

from __future__ import annotations

import pytest

from tests.leader.night import CLOCKS_BACK, CLOCKS_FORWARD, ORDINARY, Night, play


@pytest.mark.parametrize("night", [CLOCKS_FORWARD, CLOCKS_BACK], ids=["clocks forward", "clocks back"])
def test_what_is_due_happens_once_whoever_leads(postgres_url: str, seed: int, night: Night) -> None:
    verdict = play(postgres_url, runs=12, seconds=3, seed=seed, night=night)
    assert (verdict.due, verdict.ran, verdict.doubled) == (12, 12, 0)
    assert verdict.kills + verdict.stalls > 0


def test_a_night_in_which_nobody_leads_is_made_good_in_the_morning(postgres_url: str, seed: int) -> None:
    verdict = play(postgres_url, runs=6, seconds=2, seed=seed, night=ORDINARY, nobody_leads=True)
    assert (verdict.due, verdict.ran, verdict.doubled) == (6, 6, 0)
