"""One fault's trial: its own practice, imports in flight, the fault, and the wait until everything has ended.

A fault is a function of a trial. It requests imports, breaks something, and returns; the rest is the same for all.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import insert

from handlers.imports.accept import accept, accept_batch
from handlers.imports.request import ImportRequest, parse
from portal_db.database import Tx
from portal_db.states import ClientKind
from portal_db.tables import Pause
from portal_db.types import db_now
from portal_db.work import imports
from portal_db.work.pauses import Scope
from tests.faults.stage import WORKERS, Stage
from tests.faults.traps import Mark, Trap, fired, lay
from tests.faults.verdict import RECOVERY_SECONDS, Asked, Verdict, bound, find
from tests.world import begin_directory_sync, connect_practice
from xpm.simulator.faults import FaultRule
from xpm.simulator.faults import Kind as Wrong

T = TypeVar("T")
DOOMED = "Poison"

_RAN_AGAIN = """
    SELECT l.owner, extract(epoch FROM min(n.started_at)) AS again, bool_or(n.owner LIKE '%/isolated') AS isolated
    FROM job_attempts l JOIN jobs j ON j.id = l.job_id
    JOIN job_attempts n ON n.job_id = l.job_id AND n.number = l.number + 1
    WHERE j.practice_id = :practice AND l.outcome = 'lease_lost' GROUP BY l.owner, l.token"""

_UNFINISHED = """
    SELECT count(*) AS jobs, kind, state, error_code FROM jobs
    WHERE practice_id = :practice AND state IN ('queued', 'running', 'waiting') GROUP BY kind, state, error_code"""


class Trial:
    """What a fault may do, and what is counted while it does."""

    def __init__(self, stage: Stage, name: str, seed: int) -> None:
        self.stage = stage
        self.seed = seed
        self.random = random.Random(f"{seed} {name}")
        self.injected = 0
        self.in_flight = 0
        self.recover_s: float | None = None
        self.problems: list[str] = []
        #: Whether interrupted jobs must run again within `RECOVERY_SECONDS`.
        self.in_time = False
        self._slug = "".join(letter if letter.isalnum() else "-" for letter in name.lower())
        token = stage.xpm.config.access_token
        self.practice_id, self.staff_id, self.connection_id = connect_practice(
            stage.database, stage.settings, token, name=name[:100]
        )
        self._records = stage.records()
        self.random.shuffle(self._records)
        self._emails: dict[UUID, str] = {}
        self._doomed: list[UUID] = []
        self._rivals: list[tuple[UUID, UUID]] = []
        self._traps: list[tuple[Path, Trap]] = []
        self._killed: dict[int, float] = {}
        self._rules: list[tuple[FaultRule, int]] = []
        self._canary: tuple[float, UUID] | None = None

    # -- asking -------------------------------------------------------------------------------------------------------

    def much(self, quick: T, long: T) -> T:
        """A number that differs between a short and a long run."""
        return quick if self.stage.quick else long

    @property
    def imports(self) -> int:
        """How many imports a fault runs on."""
        return self.stage.imports

    @property
    def patience(self) -> float:
        """Seconds within which all imports are done once nothing is in their way."""
        return max(self.much(60.0, 180.0), 0.2 * self.imports)

    def request(self, **fields: object) -> ImportRequest:
        """A request for an XPM record that this practice has not requested yet."""
        xpm_uuid, kind = self._records.pop()
        person = kind is ClientKind.INDIVIDUAL
        number = len(self._records)
        mine = {"email": f"{self._slug}-{number}-{self.seed}@faults.example", "send_welcome_email": True}
        given = {"practice_id": self.practice_id, "requested_by": self.staff_id, "request_id": f"{self._slug} {number}"}
        given["bring_relationships"] = number % 4 == 0  # slow, and not relevant to any fault
        return parse({**given, "xpm_uuid": xpm_uuid, "kind": kind, **(mine if person else {}), **fields})

    def ask(self, count: int | None = None, *, doomed: int = 0) -> None:
        """Request imports: three in four as a batch, the others interactively; `doomed` ones are meant to become poison."""
        requests = [self.request() for _ in range(count or self.imports)]
        requests += [self.request(name=DOOMED) for _ in range(doomed)]
        self.random.shuffle(requests)
        batch = [request for number, request in enumerate(requests) if number % 4]
        accepted = accept_batch(self.stage.database, self.stage.bell, f"batch {len(self._emails)}", batch).import_ids
        for import_id, request in zip(accepted, batch, strict=True):
            self.note(import_id, request)
        bell = self.stage.bell
        for request in requests[::4]:
            self.note(accept(self.stage.database, bell, request).import_id, request)

    def sync_directory(self) -> None:
        """Sync the practice's directory, as every practice's is once it has connected."""
        is_synced = begin_directory_sync(self.stage.database, self.connection_id)
        self.wait(is_synced, "the directory is synced", 40)

    def ask_rivals(self) -> None:
        """Request two batches. The first and the last row of the first want one email, and the second's first row wants the
        email of another row of the first: of each two, one may be imported."""
        first = [self.request() for _ in range(self.imports - self.imports // 4)]
        people = [number for number, request in enumerate(first) if request.email]
        first[people[-1]] = first[people[-1]].model_copy(update={"email": first[people[0]].email})
        second = [self.request() for _ in range(self.imports // 4)]
        person = next(number for number, request in enumerate(second) if request.email)
        second[person] = second[person].model_copy(update={"email": first[people[1]].email})
        ids = [
            accept_batch(self.stage.database, self.stage.bell, f"rivals {n}", batch).import_ids
            for n, batch in enumerate((first, second))
        ]
        self._rivals = [(ids[0][people[0]], ids[0][people[-1]]), (ids[0][people[1]], ids[1][person])]
        rivals = {import_id for pair in self._rivals for import_id in pair}
        for import_id, request in zip((*ids[0], *ids[1]), (*first, *second), strict=True):
            if import_id not in rivals:
                self.note(import_id, request)

    def note(self, import_id: UUID, request: ImportRequest) -> None:
        """Note an import that was accepted, to be judged at the end."""
        self._emails[import_id] = request.email if request.send_welcome_email and request.email else ""
        if request.name == DOOMED:
            self._doomed.append(import_id)

    # -- looking ------------------------------------------------------------------------------------------------------

    def scalar(self, sql: str, **values: object) -> Any:
        """One value from the record; `:practice` is this trial's."""
        with self.stage.database.read() as tx:
            return tx.session.execute(bound(sql, practice=self.practice_id, **values)).scalar()

    def open(self) -> int:
        """How many imports of this trial are not closed."""
        return int(self.scalar("SELECT count(*) FROM imports WHERE practice_id = :practice AND closed_at IS NULL"))

    def wait(self, condition: Callable[[], object], what: str, within: float = 90.0, *, revive: bool = True) -> bool:
        """Wait for a condition while restarting processes that end; note a problem if it is not met in time."""
        until = time.monotonic() + within
        while not condition():
            self._look_at_traps()
            if revive:
                self.stage.revive()
            if time.monotonic() > until:
                self.problems.append(f"not within {within:g} s: {what}; unfinished: {self._unfinished()}")
                return False
            time.sleep(0.03)
        self._look_at_traps()
        return True

    def _unfinished(self) -> str:
        """This trial's unfinished jobs: how many of each kind, state and error."""
        with self.stage.database.read() as tx:
            rows = tx.session.execute(bound(_UNFINISHED, practice=self.practice_id)).all()
        return ", ".join(f"{row.jobs} {row.kind} {row.state} {row.error_code or ''}".rstrip() for row in rows) or "none"

    def scale_outages(self, scale: float) -> None:
        """Let everything that workers wait for in an outage of an upstream come so many times sooner."""
        scaled = {**self.stage.usual, "FAULT_OUTAGE_SCALE": str(scale)}
        self.stage.run(**{name.replace("-", "_"): scaled for name in WORKERS})

    def all_closed(self) -> None:
        """Wait until every import is closed, for as long as this fault may take."""
        self.wait(lambda: not self.open(), "every import is closed", self.patience)

    def under_way(self) -> None:
        """Wait until imports are well under way, and count those in flight."""
        total = len(self._emails)
        self.wait(lambda: self.open() <= total - max(1, total // 8), "imports are under way")
        self.count_in_flight()

    def count_in_flight(self) -> None:
        self.in_flight = max(self.in_flight, self.open())

    def alerts_become(self, *wanted: str) -> None:
        """Wait until just these alerts' expressions are true, while nothing is restarted."""
        said: set[str] = set()

        def are_wanted() -> bool:
            said.clear()
            said.update(self.stage.alerts())
            return said == set(wanted)

        if not self.wait(are_wanted, f"the alerts {sorted(wanted)}", 30, revive=False):
            self.problems.append(f"alerts: {sorted(said)}")

    # -- breaking -----------------------------------------------------------------------------------------------------

    def trap(self, point: str, kind: str, **more: Any) -> Path:
        """Set a trap for this practice's jobs (see `Trap`). Each time it goes off counts as an injection."""
        trap = Trap(point, kind, str(self.practice_id), **more)
        path = lay(self.stage.traps, trap)
        self._traps.append((path, trap))
        return path

    def has_fired(self, path: Path, times: int = 1) -> list[Mark]:
        """Wait until a trap has gone off this often."""
        self.wait(lambda: len(fired(path)) >= times, "the trap goes off")
        return fired(path)

    def _look_at_traps(self) -> None:
        marks = [(mark, trap) for path, trap in self._traps for mark in fired(path)]
        if len(marks) > self.injected:
            self.injected = len(marks)
            self.count_in_flight()
            self._killed.update({mark.pid: mark.at for mark, trap in marks if trap.action == "kill"})

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to one of our processes: an injection."""
        self.count_in_flight()
        if number is signal.SIGKILL:
            self._killed[self.stage.processes[name].pid] = time.time()
        self.stage.kill(name, number)
        self.injected += 1

    def pause(self, tx: Tx, kind: str) -> UUID:
        """Pause all jobs of a kind, also those of earlier trials' practices; the pause."""
        scope = Scope(kind=kind)
        row = {"id": scope.id, "kind": scope.kind, "reason": "the matrix"}
        tx.session.execute(insert(Pause).values(**row, created_at=db_now()))
        return scope.id

    def over(self, *, batch: bool = False) -> None:
        """End the fault: recovery is the time from now until one more import, requested now, is done."""
        request = self.request()
        began = time.time()
        if batch:
            [import_id] = accept_batch(self.stage.database, self.stage.bell, "canary", [request]).import_ids
        else:
            import_id = accept(self.stage.database, self.stage.bell, request).import_id
        self.note(import_id, request)
        self._canary = began, import_id

    def wrong(self, kind: Wrong, operation: str, count: int, seconds: float = 0.0) -> None:
        """Make this many calls to XPM fail; each that did counts as an injection."""
        rule = FaultRule(kind, operation, count=count, seconds=seconds)
        self._rules.append((rule, count))
        self.stage.fault(rule)

    def until_all_went_wrong(self, within: float) -> None:
        """Wait until XPM has failed that often, and remove the rules that are left."""
        self.wait(lambda: all(rule.count <= 0 for rule, _ in self._rules), "XPM does it", within)
        standing = self.stage.xpm.simulator.faults.rules
        for rule, count in self._rules:
            self.injected += count - max(0, rule.count)
            if rule in standing:
                standing.remove(rule)

    # -- judging ------------------------------------------------------------------------------------------------------

    def finish(self) -> Verdict:
        """Wait until every import is closed, then judge."""
        self.all_closed()
        for path, _ in self._traps:
            path.unlink()
        asked = Asked(
            self._emails, {key: value for key, value in self._emails.items() if value}, self._doomed, self._rivals
        )
        found = find(
            self.stage.database, self.practice_id, asked, [one.recipient for one in self.stage.mail.deliveries()]
        )
        recover_s = self._recovery()
        return Verdict(
            injected=self.injected,
            in_flight=self.in_flight,
            lost=found.lost,
            doubled=found.doubled,
            unknown=found.unknown,
            stuck=found.stuck,
            innocent_dead=found.innocent_dead,
            recover_s=None if recover_s is None else round(recover_s, 1),
            problems=(*found.problems, *self.problems, *self._too_late()),
        )

    def _recovery(self) -> float | None:
        """Seconds until the last interrupted job ran again, or one more import was done."""
        if self.recover_s is not None:
            return self.recover_s
        if self._canary is not None:
            began, import_id = self._canary
            with self.stage.database.read() as tx:
                found = imports.get(tx, import_id)
            return found.closed_at.timestamp() - began if found is not None and found.closed_at else None
        return max(self._ran_again(), default=None)

    def _ran_again(self, *, isolated: bool = True) -> list[float]:
        """Seconds from the kill of a worker until each of its jobs ran again, with or without those that ran in isolation:
        their process has to be started first."""
        with self.stage.database.read() as tx:
            rows = tx.session.execute(bound(_RAN_AGAIN, practice=self.practice_id)).all()
        owners = [(int(row.owner.split("/")[1]), row) for row in rows if isolated or not row.isolated]
        return [float(row.again) - self._killed[pid] for pid, row in owners if pid in self._killed]

    def _too_late(self) -> list[str]:
        latest = max(self._ran_again(isolated=False), default=0.0) if self.in_time else 0.0
        late = latest > self.much(
            self.patience, RECOVERY_SECONDS
        )  # the short run shares the machine with all other tests
        return [f"a killed worker's job ran again only after {latest:.1f} s"] if late else []

    def runs_again(self) -> bool:
        """Whether every job of killed workers is running again or has ended."""
        pids = [f"%/{pid}/%" for pid in self._killed]
        held = (
            "SELECT count(*) FROM jobs WHERE practice_id = :practice AND state = 'running'"
            " AND lease_owner LIKE ANY(:owners)"
        )
        waits = (
            "SELECT count(*) FROM jobs WHERE practice_id = :practice AND state = 'queued' AND EXISTS"
            " (SELECT 1 FROM job_attempts l WHERE l.job_id = jobs.id AND l.outcome = 'lease_lost')"
        )
        return bool(pids) and not self.scalar(held, owners=pids) and not self.scalar(waits)

    def lost_leases(self) -> int:
        """How many attempts of this practice ended with a lost lease."""
        return int(
            self.scalar(
                "SELECT count(*) FROM job_attempts a JOIN jobs j ON j.id = a.job_id"
                " WHERE j.practice_id = :practice AND a.outcome = 'lease_lost'"
            )
        )


#: Breaks something in its trial.
Fault = Callable[[Trial], None]
