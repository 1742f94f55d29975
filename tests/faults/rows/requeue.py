"""An operator requeues many dead letters by one command, of imports that people had requested one by one."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import text

from handlers.access.act import act_of
from handlers.access.practices import add_operator
from handlers.imports.accept import accept
from handlers.operations import bulk
from handlers.operations.bulk import Selection
from portal_db.states import BulkAction
from tests.faults.stage import WORKERS
from tests.faults.trial import Fault, Trial

#: As a bug leaves the first job of an import, and the import.
_DIE = """
    UPDATE jobs SET state = 'dead', finished_at = clock_timestamp(), attempts = 1, error_class = 'permanent',
        error_code = 'bug', error_message = 'a bug', error_cause = 'played' WHERE practice_id = :practice"""
_FAIL = """
    UPDATE imports SET state = 'failed', closed_at = clock_timestamp(), outcome_code = 'bug'
    WHERE practice_id = :practice"""
_TELL = """
    INSERT INTO import_events (id, practice_id, import_id, epoch, state, created_at)
    SELECT gen_random_uuid(), practice_id, id, epoch, state, closed_at FROM imports WHERE practice_id = :practice"""


def all_at_once(trial: Trial) -> None:
    """All are requeued while workers run, and then somebody requests one more import: it goes ahead of them."""
    stage = trial.stage
    for name in WORKERS:
        stage.stop_worker(name)
    for _ in range(2 * trial.imports):
        request = trial.request()
        trial.note(accept(stage.database, stage.bell, request).import_id, request)
    with stage.database.write() as tx:
        for statement in (_DIE, _FAIL, _TELL):
            tx.session.execute(text(statement), {"practice": trial.practice_id})
    stage.run()
    email = f"operator-{trial.practice_id}@platform.example"
    add_operator(stage.database, "Olu Ops", email)
    act = act_of(stage.database, email, "the bug is mended")
    letters = Selection(replace(bulk.DEAD, practice_id=trial.practice_id))
    shown = bulk.count(stage.database, letters)
    row = bulk.start(stage.database, act, letters, BulkAction.REQUEUE, shown=shown, reserved=True)
    while bulk.carry_out_piece(stage.database, row.id, reserved=True) is not None:
        continue
    trial.injected = bulk.get(stage.database, row.id).act.done
    trial.count_in_flight()
    if trial.scalar("SELECT count(*) FROM jobs WHERE practice_id = :practice AND interactive"):
        trial.problems.append("requeued work goes before people's")
    trial.over()


FAULTS: dict[str, Fault] = {"dead letters requeued at once": all_at_once}
