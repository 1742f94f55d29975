"""A consent at Xero is answered once, by the person who was sent there, while it is fresh."""

from __future__ import annotations

from uuid import uuid4

from portal_db.database import Tx
from portal_db.xero import consents
from tests.racing import at_once
from tests.world import World

STATE = "0" * 64


def begin(tx: Tx, world: World) -> None:
    row = {"id": tx.new_id(), "practice_id": world.practice_id, "staff_id": world.staff_id}
    consents.begin(tx, {**row, "state_hash": STATE, "verifier": b"sealed"}, valid_seconds=600)


def test_an_answer_is_taken_once(world: World) -> None:
    with world.database.write() as tx:
        begin(tx, world)

    def answer() -> bool:
        with world.database.write() as tx:
            return consents.answer(tx, STATE, world.staff_id) is not None

    assert sorted(at_once(*[answer] * 4), key=bool) == [False, False, False, True]


def test_an_answer_is_its_persons_own_and_fresh(world: World) -> None:
    with world.database.write() as tx:
        begin(tx, world)
        assert consents.answer(tx, STATE, uuid4()) is None
        assert consents.answer(tx, "1" * 64, world.staff_id) is None
    world.pass_time(601)
    with world.database.write() as tx:
        assert consents.answer(tx, STATE, world.staff_id) is None
