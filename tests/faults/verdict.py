"""The verdict on one fault: what was lost, doubled or left behind, by SQL on the record and by the mail catcher's log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import chain
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, Uuid, bindparam, text

from portal_db.database import Database
from portal_db.types import UtcDateTime, database_time

#: A job whose worker was killed runs again within this time, in the long run.
RECOVERY_SECONDS = 15.0


@dataclass(frozen=True)
class Verdict:
    """What a fault did.

    injected: how often it happened. in_flight: the highest number of imports that were open then. lost: imports (or their
    emails) that were not completed. doubled: clients, closes and emails beyond the first. unknown: emails of unknown
    outcome, marked so and shown. stuck: jobs overdue by more than five seconds at the end. innocent_dead: dead
    letters that the fault does not excuse. recover_s: see `docs/fault-matrix.md`.
    """

    injected: int
    in_flight: int
    lost: int
    doubled: int
    unknown: int
    stuck: int
    innocent_dead: int
    recover_s: float | None
    problems: tuple[str, ...] = ()

    @property
    def why_bad(self) -> list[str]:
        """What is wrong, in words; empty if the verdict is good."""
        bad = [
            f"{name} {getattr(self, name)}"
            for name in ("lost", "doubled", "stuck", "innocent_dead")
            if getattr(self, name)
        ]
        if not self.injected:
            bad.append("the fault never happened")
        if not self.in_flight:
            bad.append("nothing was in flight")
        if self.recover_s is None:
            bad.append("nothing recovered")
        return [*bad, *self.problems]

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "problems": self.why_bad, "ok": not self.why_bad}


@dataclass(frozen=True)
class Asked:
    """What was requested: import ids, the address of each import's welcome email, the imports meant to be poison, and pairs
    of imports that want one email."""

    imports: Collection[UUID]
    emails: dict[UUID, str]
    doomed: Collection[UUID] = ()
    rivals: Collection[tuple[UUID, UUID]] = ()


@dataclass(frozen=True)
class Found:
    """What happened to it: the verdict's counts without the fault's own."""

    lost: int
    doubled: int
    unknown: int
    stuck: int
    innocent_dead: int
    problems: tuple[str, ...]


_IMPORTS = """
    SELECT i.id, i.state, i.closed_at IS NOT NULL AS closed, e.state AS email,
           EXISTS (SELECT 1 FROM clients c WHERE c.import_id = i.id) AS made,
           EXISTS (SELECT 1 FROM import_events v WHERE v.import_id = i.id AND v.epoch = i.epoch) AS told,
           EXISTS (SELECT 1 FROM jobs j WHERE j.import_id = i.id AND j.state = 'dead'
                   AND j.error_code = 'email_outcome_unknown') AS shown,
           EXISTS (SELECT 1 FROM jobs j WHERE j.import_id = i.id AND j.state = 'dead'
                   AND j.error_code = 'poison') AS buried
    FROM imports i LEFT JOIN welcome_emails e ON e.client_id = i.client_id
    WHERE i.practice_id = :practice"""
_TWINS = """
    SELECT coalesce(sum(n - 1), 0) FROM (
        SELECT count(*) AS n FROM clients WHERE practice_id = :practice GROUP BY import_id
        UNION ALL SELECT count(*) FROM xpm_links WHERE practice_id = :practice GROUP BY xpm_uuid
        UNION ALL SELECT count(*) FROM import_events WHERE practice_id = :practice GROUP BY import_id, epoch
    ) AS groups"""
_STUCK = """
    SELECT count(*) FROM jobs WHERE practice_id = :practice AND state IN ('queued', 'running', 'waiting')
    AND coalesce(next_attempt_at, lease_until, created_at) < :overdue"""
_DEAD = """
    SELECT import_id, kind, error_code, error_message, (SELECT traceback FROM job_attempts
        WHERE job_id = jobs.id AND traceback IS NOT NULL ORDER BY finished_at DESC LIMIT 1) AS traceback
    FROM jobs WHERE practice_id = :practice AND state = 'dead' AND error_code <> 'email_outcome_unknown'"""


def bound(sql: str, **values: object) -> TextClause:
    """SQL with those values that it names, each as the record keeps it."""
    named = {name: value for name, value in values.items() if f":{name}" in sql}
    return text(sql).bindparams(*(bindparam(name, value, _TYPES.get(type(value))) for name, value in named.items()))


_TYPES: dict[type, Any] = {UUID: Uuid(), datetime: UtcDateTime()}


def find(database: Database, practice_id: UUID, asked: Asked, recipients: Iterable[str]) -> Found:
    """Compare what was requested with the record of one practice and with the emails in the mail catcher."""
    with database.read() as tx:
        ask, of_practice = tx.session.execute, partial(bound, practice=practice_id)
        rows = {row.id: row for row in ask(of_practice(_IMPORTS).columns(id=Uuid()))}
        overdue = database_time(tx.session) - timedelta(seconds=5)
        twins, stuck = ask(of_practice(_TWINS)).scalar_one(), ask(of_practice(_STUCK, overdue=overdue)).scalar_one()
        dead = [row for row in ask(of_practice(_DEAD).columns(import_id=Uuid())) if row.import_id not in asked.doomed]
    letters = Counter(recipients)
    lost = [one for one in asked.imports if one not in asked.doomed and not _is_done(rows.get(one), asked, letters)]
    sending = [row for row in rows.values() if row.email == "sending"]
    unknown = [row for row in rows.values() if row.email == "unknown"]
    problems = [f"dead: {row.kind} {row.error_code}: {row.error_message} {row.traceback or ''}" for row in dead[:3]]
    if any(not row.shown or row.state != "partly_succeeded" for row in unknown):
        problems.append("an unknown email is not shown")
    if any(one not in rows or not rows[one].buried for one in asked.doomed):
        problems.append("a poison job was not found out")
    if any({rows[one].state for one in pair} != {"succeeded", "rejected"} for pair in asked.rivals):
        problems.append("of two that want one email, not exactly one was imported")
    if extra := rows.keys() - {*asked.imports, *chain.from_iterable(asked.rivals)}:
        problems.append(f"{len(extra)} imports that nobody asked for")
    mail_twins = sum(letters[address] - 1 for address in asked.emails.values() if letters[address] > 1)
    return Found(
        len(lost), int(twins) + mail_twins, len(unknown), int(stuck) + len(sending), len(dead), tuple(problems)
    )


def _is_done(row: Any, asked: Asked, letters: Counter[str]) -> bool:
    """Whether an import is closed, has its event and a client, and its email was delivered or is shown as unknown."""
    if row is None or not (row.closed and row.told and row.made):
        return False
    if row.email == "unknown":
        return bool(row.state == "partly_succeeded")
    if row.id in asked.emails and not letters[asked.emails[row.id]]:
        return False
    return bool(row.state == "succeeded")
