"""The relay's choice equals that of a naive model which reads every job, whatever the jobs are like."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from datetime import timedelta
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
from portal_db.work.ringing import Permits
from tests.making import add, add_practice, claim, new_job, pause, set_job, take_back, unpause
from tests.world import World

LIMIT = 3
KINDS = ("validate_import", "create_client", "send_welcome_email")
#: When a job was rung, and when a waiting one is due.
RUNG = (None,) * 6 + (-1.0, -30.0, 60.0)
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

    def may_be_claimed(job: Job) -> bool:
        return is_due(job) and not any((p.practice_id, p.lane) == (job.practice_id, job.lane) for p in pauses)

    def is_rung(job: Job) -> bool:
        """Whether it has its place: what was rung long ago only if it may be claimed."""
        since = age(job)
        is_open = job.state in (JobState.QUEUED, JobState.WAITING)
        return is_open and since is not None and (0 <= since < 10 or may_be_claimed(job))

    def is_lost(job: Job) -> bool:
        since = age(job)
        return since is not None and (since < 0 or (since >= 10 and job.lane not in full))

    waiting = [job for job in jobs if job.state is JobState.WAITING and job.error_code == QUOTA_CODE]
    series = {(job.practice_id, job.lane, job.kind) for job in waiting if not job.interactive}

    def is_held(job: Job) -> bool:
        mine = job in waiting if job.interactive else (job.practice_id, job.lane, job.kind) in series
        return permits is not None and mine

    flying: Counter[tuple[UUID, int]] = Counter()
    for job in jobs:
        if not job.interactive and job.lane in group_of and (job.state is JobState.RUNNING or is_rung(job)):
            flying[job.practice_id, group_of[job.lane]] += 1

    def order(job: Job) -> tuple[object, ...]:
        return list(Lane).index(job.lane), job.asked_at, job.position, job.created_at, job.id

    ringable = sorted((job for job in jobs if may_be_claimed(job) and (is_lost(job) or not is_rung(job))), key=order)
    held: dict[UUID, list[UUID]] = defaultdict(list)
    groups: dict[tuple[UUID, int], list[Job]] = defaultdict(list)
    for job in ringable:
        if job.interactive and is_held(job):
            held[job.practice_id].append(job.id)
        elif not job.interactive and job.lane in group_of:
            groups[job.practice_id, group_of[job.lane]].append(job)
    turns = [of for _, of in sorted(held.items())]
    for key, of in sorted(groups.items()):
        room = max(0, limit - flying[key])
        new = sorted((job for job in of if not is_rung(job)), key=is_held)[:room]
        chosen = sorted([*new, *filter(is_rung, of)], key=order)
        turns.append([job.id for job in sorted(chosen, key=is_held)])
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


def look(world: World, full: Collection[Lane] = (), permits: Permits | None = None) -> list[UUID]:
    with world.database.write() as tx:
        return [ring.job_id for ring in ringing.pick(tx, limit=LIMIT, full_lanes=full, permits=permits)]


@pytest.mark.parametrize("full", [(), (Lane.IMPORT, Lane.RESYNC)], ids=["short queue", "long queue"])
def test_a_job_keeps_its_place_until_it_is_claimed(world: World, full: Collection[Lane]) -> None:
    # Given as many re-syncs as may be rung, and an import, which would go before them
    rung = add(world, *(new_job(world, lane=Lane.RESYNC, position=place) for place in range(LIMIT)))
    assert look(world, full) == rung
    [waits] = add(world, new_job(world))
    # When no worker takes one for long, then the import is not rung
    for _ in range(3):
        world.pass_time(11)
        assert look(world, full) == ([] if full else rung)
    # And it is when one of them is done
    set_job(world, rung[0], state=JobState.SUCCEEDED)
    assert look(world, full) == [waits]


@pytest.mark.parametrize("full", [(), (Lane.IMPORT,)], ids=["short queue", "long queue"])
def test_what_is_paused_after_it_was_rung_leaves_its_place_to_others(world: World, full: Collection[Lane]) -> None:
    # Given as many jobs of one kind as may be rung, and one of another kind
    rung = add(world, *(new_job(world, kind="create_client", position=place) for place in range(LIMIT)))
    assert look(world, full) == rung
    [other] = add(world, new_job(world))
    # When the first kind is paused, then the other is rung as soon as the messages may be gone
    pause(world, kind="create_client")
    assert look(world, full) == []
    world.pass_time(11)
    assert look(world, full) == [other]
    # And those go on when the pause ends, as many as there is room for, since their messages are gone
    unpause(world)
    assert look(world, full) == rung[: LIMIT - 1]


def test_what_the_quota_holds_back_after_its_message_was_lost_leaves_its_place(world: World) -> None:
    # Given as many jobs of one kind as may be rung, whose messages are lost, while one of their kind waits for the quota
    rung = add(world, *(new_job(world, position=place) for place in range(LIMIT)))
    assert look(world) == rung
    [waits] = add(world, new_job(world, position=LIMIT))
    later = world.services.sources.now() + timedelta(hours=2)
    set_job(world, waits, state=JobState.WAITING, error_code=QUOTA_CODE, next_attempt_at=later)
    world.pass_time(11)
    # When no permit is free for hours
    assert look(world, permits=lambda *_: 0) == []
    # Then work of the practice that needs none is rung in their places
    others = add(world, *(new_job(world, lane=Lane.RESYNC, kind="create_client") for _ in range(LIMIT)))
    assert look(world, permits=lambda *_: 0) == others


def rung_and_unfinished(world: World) -> dict[tuple[UUID, int], list[UUID]]:
    """The jobs that have a place, of each practice and lane group."""
    found: dict[tuple[UUID, int], list[UUID]] = defaultdict(list)
    with world.database.read() as tx:
        for job in tx.session.scalars(select(Job).order_by(Job.id)):
            is_rung = job.state in (JobState.QUEUED, JobState.WAITING) and job.rung_at is not None
            if is_rung or job.state is JobState.RUNNING:
                found[job.practice_id, candidates.GROUP_OF[job.lane]].append(job.id)
    return found


@pytest.mark.parametrize("seed", range(6))
def test_no_more_are_rung_and_unfinished_than_may_be_whatever_happens(world: World, seed: int) -> None:
    # Given a backlog of two practices
    chance = Random(seed)
    practices = [world.practice_id, add_practice(world, "Quay Partners")]
    background = [Lane.IMPORT, Lane.RESYNC, Lane.EMAIL]
    add(
        world,
        *(
            new_job(world, kind=chance.choice(KINDS), lane=chance.choice(background), practice_id=practice_id)
            for practice_id in practices * 20
        ),
    )

    def work() -> None:
        """Some of what was rung is claimed, and some of that ends or is to be tried again."""
        for job_id in chain.from_iterable(rung_and_unfinished(world).values()):
            if chance.random() < 0.5:
                claim(world, job_id)
            if chance.random() < 0.3:
                again = {"state": JobState.WAITING, "next_attempt_at": db_now(), "rung_at": None}
                set_job(world, job_id, **chance.choice(({"state": JobState.SUCCEEDED}, again)))

    # When queues are long and short, workers are quick and slow, and kinds are paused for a while
    most = 0
    for _ in range(20):
        look(world, chance.sample(background, chance.randrange(4)))
        # Then no practice ever has more than its limit
        most = max([most, *map(len, rung_and_unfinished(world).values())])
        assert most <= LIMIT
        chance.choice(
            (
                work,
                lambda: world.pass_time(11),
                lambda: take_back(world),
                lambda: pause(world, kind=chance.choice(KINDS)),
                lambda: unpause(world),
            )
        )()
    assert most == LIMIT, "there was something to ring"


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
