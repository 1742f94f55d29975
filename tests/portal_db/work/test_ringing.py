"""The relay's choice equals that of a naive model which reads every job, whatever the jobs are like."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from itertools import chain, zip_longest
from random import Random
from uuid import UUID

import pytest
from sqlalchemy import insert, select

from portal_db.database import Tx
from portal_db.states import JobState, Lane
from portal_db.tables import Job, Pause
from portal_db.types import database_time, db_now
from portal_db.work import candidates, ringing
from portal_db.work.candidates import LANE_GROUPS, QUOTA_CODE
from tests.making import add, add_practice, new_job
from tests.world import World

LIMIT = 3
KINDS = ("validate_import", "create_client", "send_welcome_email")
#: What a rung job, a waiting one and a running one may be like.
RUNG = (None, None, None, -1.0, -30.0)
NEXT = (-5.0, 60.0)


def add_jobs(world: World, chance: Random, practices: Collection[UUID]) -> None:
    """Jobs of all lanes and states, some rung, some waiting for the quota; some kinds are paused."""
    new = [
        new_job(world, lane=chance.choice(list(Lane)), interactive=chance.random() < 0.15, kind=chance.choice(KINDS),
                practice_id=chance.choice(list(practices)), position=chance.randrange(4))
        for _ in range(60)
    ]  # fmt: skip
    ids = add(world, *new)
    with world.database.write() as tx:
        for job_id in ids:
            state = chance.choice(
                (JobState.QUEUED,) * 5 + (JobState.WAITING,) * 2 + (JobState.RUNNING, JobState.SUCCEEDED)
            )
            rung = chance.choice(RUNG)
            values: dict[str, object] = {"state": state, "rung_at": db_now(rung) if rung is not None else None}
            if state is JobState.WAITING:
                seconds = chance.choice(NEXT)
                values |= {"next_attempt_at": db_now(seconds)}
                if seconds > 0:
                    values["rung_at"] = None  # what is put off is not rung
                values |= {"error_code": QUOTA_CODE if chance.random() < 0.3 else "xpm_unavailable"}
            tx.session.execute(Job.__table__.update().where(Job.id == job_id).values(**values))  # type: ignore[attr-defined]
        pause = {"lane": chance.choice(list(Lane)), "practice_id": chance.choice(list(practices))}
        tx.session.execute(insert(Pause).values(id=tx.new_id(), reason="a test", created_at=db_now(), **pause))


def naive(tx: Tx, limit: int, full: Collection[Lane], permits: int | None) -> list[UUID]:
    """What `pick` promises, by reading everything: nobody has a tenant, so that every permit is granted."""
    now = database_time(tx.session)
    jobs = list(tx.session.scalars(select(Job)))
    pauses = list(tx.session.scalars(select(Pause)))
    group_of = {lane: number for number, lanes in enumerate(LANE_GROUPS) for lane in lanes}

    def age(job: Job) -> float | None:
        return (now - job.rung_at).total_seconds() if job.rung_at is not None else None

    def is_due(job: Job) -> bool:
        waits = job.state is JobState.WAITING and job.next_attempt_at is not None and job.next_attempt_at <= now
        return job.state is JobState.QUEUED or waits

    def may_be_rung(job: Job) -> bool:
        since = age(job)
        rung = since is not None and (since < 10 or job.lane in full)
        paused = any((p.practice_id, p.lane) == (job.practice_id, job.lane) for p in pauses)
        return is_due(job) and not rung and not paused

    waiting = [job for job in jobs if job.state is JobState.WAITING and job.error_code == QUOTA_CODE]
    series = {(job.practice_id, job.lane, job.kind) for job in waiting if not job.interactive}

    def is_held(job: Job) -> bool:
        mine = job in waiting if job.interactive else (job.practice_id, job.lane, job.kind) in series
        return permits is not None and mine

    flying: Counter[tuple[UUID, int]] = Counter()
    for job in jobs:
        since = age(job)
        rung = is_due(job) and since is not None and since < 10
        if not job.interactive and job.lane in group_of and (job.state is JobState.RUNNING or rung):
            flying[job.practice_id, group_of[job.lane]] += 1
    order = list(Lane)
    ringable = sorted(
        filter(may_be_rung, jobs), key=lambda j: (order.index(j.lane), j.asked_at, j.position, j.created_at, j.id)
    )
    held: dict[UUID, list[UUID]] = defaultdict(list)
    groups: dict[tuple[UUID, int], tuple[list[UUID], list[UUID]]] = defaultdict(lambda: ([], []))
    for job in ringable:
        if job.interactive and is_held(job):
            held[job.practice_id].append(job.id)
        elif not job.interactive and job.lane in group_of:
            groups[job.practice_id, group_of[job.lane]][is_held(job)].append(job.id)
    turns = [of for _, of in sorted(held.items())]
    for key, (free, put_off) in sorted(groups.items()):
        room = max(0, limit - flying[key])
        turns.append((free[:room] + put_off[: room - len(free[:room])])[:room])
    first = [job.id for job in ringable if job.interactive and not is_held(job)]
    return first + [job_id for job_id in chain.from_iterable(zip_longest(*turns)) if job_id is not None]


@pytest.mark.parametrize("seed", range(12))
def test_the_choice_is_that_of_reading_every_job(world: World, seed: int) -> None:
    chance = Random(seed)
    practices = [add_practice(world, f"Practice {number}") for number in range(4)]
    add_jobs(world, chance, practices)
    full = chance.sample(list(Lane), chance.randrange(2))
    permits = (lambda *_: 99) if chance.random() < 0.8 else None
    with world.database.write() as tx:
        expected = naive(tx, LIMIT, full, 99 if permits else None)
        chosen = [ring.job_id for ring in ringing.pick(tx, limit=LIMIT, full_lanes=full, permits=permits)]
    assert chosen == expected
    assert expected, "there is something to choose"


def test_a_look_ends_however_much_there_is_and_those_with_most_room_come_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "AT_ONCE", 4)
    practices = [add_practice(world, f"Practice {number}") for number in range(3)]
    for practice_id in practices:
        add(world, *(new_job(world, practice_id=practice_id) for _ in range(9)))
    rung: Counter[UUID] = Counter()
    for _ in practices:
        with world.database.write() as tx:
            rings = ringing.pick(tx, limit=9)
        assert len(rings) == 4
        rung.update(ring.practice_id for ring in rings)
    assert rung == dict.fromkeys(practices, 4)
