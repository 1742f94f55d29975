"""Clocks are put forward and back, in time zones made for it, just when directories are due, and the relay is late."""

from __future__ import annotations

import signal
import struct
import time
import zoneinfo
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from uuid import UUID

from sqlalchemy import delete, select, update

from handlers.schedule import times as schedule_times
from handlers.schedule.due import name_of
from portal_db.database import Tx
from portal_db.directory import directories
from portal_db.states import SyncMode
from portal_db.tables import Practice, Schedule, ScheduledRun
from portal_db.xero import connections
from tests.faults.trial import Fault, Trial
from tests.world import begin_directory_sync, connect_practice

#: Clocks are moved by so many seconds instead of an hour, so that both readings of one time are seen.
MOVED = 8
#: Seconds from a due time to the change, or from the change to a due time.
NEAR = 2
#: Seconds until the change.
AHEAD = 10
DAY = 86_400

#: By the zone: whether its clocks are put forward, and which of a due time's instants counts, in seconds from the change.
#: A skipped time is as much later as clocks are moved; of one that comes twice the first counts.
ZONES: Mapping[str, tuple[bool, int]] = {"Matrix/Spring": (True, NEAR), "Matrix/Autumn": (False, -NEAR)}


def changes(trial: Trial) -> None:
    """Of two directories one is due at a time that a clock skips, the other at a time that it shows twice, while imports
    run. When a time has come for the first time, the relay is stopped, and goes on just before the second: each directory is
    synced once."""
    stage = trial.stage
    folder = stage.traps.with_name("zones")
    known = ":".join((str(folder), *zoneinfo.TZPATH))
    stage.run(relay={**stage.usual, "FAULT_LOOK_SECONDS": "0.2", "PYTHONTZPATH": known})
    token = stage.xpm.config.access_token
    _, _, other = connect_practice(stage.database, stage.settings, token, name="Where clocks are put back")
    connected = dict(zip(ZONES, (trial.connection_id, other), strict=True))
    synced = [begin_directory_sync(stage.database, connection_id) for connection_id in connected.values()]
    trial.wait(lambda: all(one() for one in synced), "both directories are synced", 40)
    trial.ask()
    trial.count_in_flight()
    change_at = int(time.time()) + AHEAD
    with stage.database.write() as tx:
        names = {zone: _move(tx, one, zone, change_at, folder) for zone, one in connected.items()}
    for at, number in ((change_at - NEAR - 1, signal.SIGSTOP), (change_at + 1, signal.SIGCONT)):
        trial.wait(partial(_has_come, at), "its moment", 60)
        stage.kill("relay", number)
    trial.wait(partial(_has_come, change_at + MOVED), "each time has passed as often as it does", 60)
    trial.injected = len(ZONES)
    trial.over()
    for zone, (_, counts) in ZONES.items():
        with stage.database.read() as tx:
            due = tx.session.scalars(select(ScheduledRun.due_at).where(ScheduledRun.schedule == names[zone])).all()
        if [one.timestamp() for one in due] != [change_at + counts]:
            trial.problems.append(f"{zone}: due at {[str(one) for one in due]}, the change was at {change_at}")


def _has_come(moment: float) -> bool:
    return time.time() >= moment


def _move(tx: Tx, connection_id: UUID, zone: str, change_at: int, folder: Path) -> str:
    """Move a practice to a zone in which its directory's full sync is due about the change. The name of its schedule, which
    is made anew."""
    connection = connections.get_one(tx, connection_id)
    directory = directories.of(tx, connection.xero_login_id, connection.tenant_id)
    assert directory is not None
    forward, _ = ZONES[zone]
    at = schedule_times.full_sync(directory.id, "UTC").next_after(datetime.now(UTC))
    due = at.hour * 3600 + at.minute * 60 + at.second
    path = folder / zone
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_zone(change_at, due + (-NEAR if forward else NEAR), MOVED if forward else -MOVED))
    tx.session.execute(update(Practice).where(Practice.id == connection.practice_id).values(time_zone=zone))
    name = name_of(directory.id, SyncMode.FULL)
    tx.session.execute(delete(Schedule).where(Schedule.name == name))
    tx.session.execute(delete(ScheduledRun).where(ScheduledRun.schedule == name))
    return name


def _zone(change_at: int, second: int, moved: int) -> bytes:
    """A time zone in the TZif format of RFC 9636, version 1: when its clock has this second of the day, it is moved."""
    before = (second - change_at + DAY // 2) % DAY - DAY // 2
    header = struct.pack(">4s16x6l", b"TZif", 0, 0, 0, 1, 2, 2)
    return header + struct.pack(">lBlBBlBB2s", change_at, 1, before, 0, 0, before + moved, 0, 0, b"M\0")


FAULTS: dict[str, Fault] = {"clocks are put forward and back": changes}
