"""The relay's look costs the same number of statements, however many practices have work."""

from __future__ import annotations

from portal_db.states import JobState, Lane
from portal_db.work import ringing
from portal_db.work.candidates import QUOTA_CODE
from tests.making import add, add_practice, new_job, pause, set_job, unpause
from tests.servers.statements import executed
from tests.worker.queue.desk import Desk

LIMIT = 4


def add_practices(desk: Desk, number: int) -> None:
    """Practices with an import, an email, and an import that the quota has put off."""
    for place in range(number):
        practice_id = add_practice(desk.world, f"Practice {place}")
        lanes = (Lane.IMPORT, Lane.EMAIL, Lane.IMPORT)
        job_ids = add(desk.world, *(new_job(desk.world, lane=lane, practice_id=practice_id) for lane in lanes))
        now = desk.world.services.sources.now()
        set_job(desk.world, job_ids[-1], state=JobState.WAITING, next_attempt_at=now, error_code=QUOTA_CODE)


def statements_of_a_look(desk: Desk) -> tuple[int, int]:
    """How many statements a look runs, and how many jobs it rings."""
    with executed(desk.world.database.engine) as seen, desk.world.database.write() as tx:
        rings = ringing.pick(tx, limit=LIMIT, permits=lambda *_: 1)
    return len(seen), len(rings)


def test_a_look_takes_no_more_statements_for_many_practices(desk: Desk) -> None:
    add_practices(desk, 2)
    few, rung_of_few = statements_of_a_look(desk)
    add_practices(desk, 20)
    many, rung_of_many = statements_of_a_look(desk)
    assert rung_of_few > 0
    assert rung_of_many > rung_of_few
    assert many == few <= 12


def test_nor_for_many_that_were_rung_in_vain(desk: Desk) -> None:
    found = []
    for practices in (2, 20):
        # Given jobs that were rung and not claimed, of which the emails are paused now
        unpause(desk.world)
        add_practices(desk, practices)
        statements_of_a_look(desk)
        desk.world.pass_time(11)
        pause(desk.world, lane=Lane.EMAIL)
        # When the relay looks
        found.append(statements_of_a_look(desk))
    # Then it rings more of many, by as many statements
    (few, rung_of_few), (many, rung_of_many) = found
    assert 0 < rung_of_few < rung_of_many
    assert many == few <= 12
