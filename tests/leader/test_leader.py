"""A short night with leaders that are killed and held up; `python -m tests.leader` plays a long one."""

from __future__ import annotations

from tests.leader.night import play


def test_what_is_due_happens_once_whoever_leads(postgres_url: str, seed: int) -> None:
    verdict = play(postgres_url, runs=12, seconds=3, seed=seed)
    assert (verdict.due, verdict.ran, verdict.doubled) == (12, 12, 0)
    assert verdict.kills + verdict.stalls > 0
