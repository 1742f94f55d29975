"""Gauges of the record, for metrics: read by the leading relay only, a few statements every 15 seconds.

A process that does not lead has none, and neither has the leader while the database is away: old values would lie.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import redis
import structlog
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from config.metrics import PREFIX
from config.seldom import Seldom
from handlers.outages import OPENS_AFTER, UPSTREAM_OF
from portal_db.database import Database, Tx
from portal_db.dialect import count_rows
from portal_db.directory import directories, schedules
from portal_db.states import OPEN_JOB_STATES, JobState, Lane
from portal_db.types import database_time
from portal_db.upkeep import gauges
from portal_db.work import outages, workers
from portal_db.work.aside import waiting_aside
from portal_db.work.needs_person import LINK_IS_GONE
from portal_db.xero import handover
from xpm.quota import Limits
from xpm.quota.ledger import Status

log = structlog.stdlib.get_logger(__name__)

#: The record is read this often, and never more often.
EVERY_SECONDS = 15.0
#: How often a process on standby looks whether it leads; that costs nothing.
LOOK_SECONDS = 1.0
#: The most tenants whose quota is looked at.
TENANTS = 500
NIGHTLY = ("reconcile", "housekeeping")
#: The codes of reconcile that are as of the last night; the other conditions are looked at each time.
FROM_RECONCILE = ("receipt_without_import", "email_abandoned")

#: The names of the gauges, with their meaning and labels.
GAUGES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "jobs": ("Open jobs and dead letters.", ("lane", "state")),
    "jobs_waiting": ("Jobs that something holds back, by reason.", ("lane", "reason")),
    "oldest_due_job_age_seconds": (
        "For how long the oldest job is due that no pause, turn or quota holds back; 0 if there is none.",
        ("lane",),
    ),
    "dead_letters": ("Dead letters.", ("kind", "error_class")),
    "emails": ("Welcome emails that are not settled.", ("state",)),
    "connections": ("Connections to XPM.", ("state",)),
    "needs_person": ("Conditions that need a person; 0 while all is well.", ("code",)),
    "schedule_last_success_timestamp_seconds": (
        "When recurring work last succeeded; of full syncs, the one that is longest ago.",
        ("type",),
    ),
    "xpm_quota_used_ratio_max": ("The used share of XPM's limit, of the practice that has used most.", ("window",)),
    "xpm_tenants_parked": ("Practices for which XPM has refused calls for a while.", ()),
}

Labelled = dict[tuple[str, ...], float]
Values = dict[str, Labelled]


@dataclass(frozen=True)
class Sight:
    """What the gauges are read from.

    Args:
        lengths: asks Redis something; raises `redis.RedisError` while it is away.
        quota: what a tenant has used.
        found: the codes, with their counts, that the last nightly reconcile left to people.
    """

    database: Database
    lengths: Callable[[], object]
    quota: Callable[[str], Status]
    limits: Limits
    found: Callable[[], Mapping[str, int]]


class Gauges(Collector):
    """The gauges of one process; a registry collects them from any thread."""

    def __init__(self, sight: Sight, leads: Callable[[], bool]) -> None:
        self._sight = sight
        self._leads = leads
        self._seldom = Seldom()
        self._values: Values = {}

    def run(self, stopping: threading.Event) -> None:
        """Read them regularly until stopped, while this process leads."""
        wait = LOOK_SECONDS
        while not stopping.wait(wait):
            wait = EVERY_SECONDS if self._leads() else LOOK_SECONDS
            self.refresh()

    def refresh(self) -> None:
        """Read them once, if this process leads."""
        try:
            self._values = read(self._sight) if self._leads() else {}
        except Exception as error:  # a bug must not end the thread either: the old values would stay
            self._values = {}
            if self._seldom.is_due(type(error).__name__):
                log.warning("gauges.not_read", exc_info=error)

    def collect(self) -> Iterable[GaugeMetricFamily]:
        values = self._values
        for name, (words, labels) in GAUGES.items():
            family = GaugeMetricFamily(f"{PREFIX}_{name}", words, labels=labels)
            for key, value in values.get(name, {}).items():
                family.add_metric(key, value)
            yield family


def read(sight: Sight) -> Values:
    """All gauges, from one snapshot of the record and a look into Redis."""
    with sight.database.read() as tx:
        values = of_record(tx)
        tenants = gauges.connected_tenants(tx, limit=TENANTS)
    found = sight.found()
    values["needs_person"] |= {(code,): found.get(code, 0) for code in FROM_RECONCILE}
    try:
        sight.lengths()
        values |= _of_quota([sight.quota(tenant) for tenant in tenants], sight.limits)
        away = 0.0
    except redis.RedisError:
        away = 1.0
    values["needs_person"]["redis_away",] = away
    return values


def of_record(tx: Tx) -> Values:
    """The gauges that come from the record. A lane that only a newer release knows is shown as the text that it is."""
    jobs: Labelled = defaultdict(float, {(lane, state): 0.0 for lane in Lane for state in _STATES})
    waiting: Labelled = defaultdict(float, {(lane, reason): 0.0 for lane in Lane for reason in gauges.REASONS})
    letters: Labelled = defaultdict(float)
    opened, due_since = gauges.open_jobs(tx)
    for (lane, state, reason), count in opened.items():
        jobs[lane, state] += count
        if reason:
            waiting[lane, reason] += count
    for (lane, kind, error_class), count in gauges.dead_letters(tx).items():
        jobs[lane, JobState.DEAD] += count
        letters[kind, error_class] += count
    now = database_time(tx.session)
    late = dict.fromkeys(Lane, 0.0) | {
        lane: max((now - since).total_seconds(), 0.0) for lane, since in due_since.items()
    }
    successes = {(name,): gauges.last_success(tx, name) for name in NIGHTLY}
    successes["full_sync",] = gauges.oldest_full_sync(tx)
    return {
        "jobs": jobs,
        "jobs_waiting": waiting,
        "oldest_due_job_age_seconds": {(lane,): age for lane, age in late.items()},
        "dead_letters": letters,
        "emails": {(state,): count for state, count in gauges.unsettled_emails(tx).items()},
        "connections": {(state,): count for state, count in gauges.connections(tx).items()},
        "needs_person": _needs_person(tx),
        "schedule_last_success_timestamp_seconds": {key: at.timestamp() for key, at in successes.items() if at},
    }


_STATES = (*sorted(OPEN_JOB_STATES), JobState.DEAD)


def _needs_person(tx: Tx) -> Labelled:
    consumed = workers.lanes_consumed(tx)
    away = {outage.upstream for outage in outages.current(tx, failures=OPENS_AFTER)}
    return {
        **{(f"no_worker_{lane}",): float(lane not in consumed) for lane in Lane},
        **{(f"{upstream.name}_away",): float(upstream.name in away) for upstream in UPSTREAM_OF.values()},
        ("kind_unknown",): sum(each.jobs for each in waiting_aside(tx)),
        ("schedule_ahead",): len(schedules.planned_ahead(tx)),
        ("directory_held",): len(directories.held(tx)),
        ("webhook_failing",): gauges.failing_webhooks(tx),
        ("owner_left",): len(handover.orphaned_connections(tx)),
        ("link_gone",): count_rows(tx, *LINK_IS_GONE),
        ("message_malformed",): gauges.malformed_messages(tx),
    }


def _of_quota(statuses: Sequence[Status], limits: Limits) -> Values:
    windows = ("concurrent", "minute", "day", "app_minute")
    used: Labelled = {
        (window,): max((getattr(status, window) for status in statuses), default=0) / getattr(limits, window)
        for window in windows
    }
    parked = sum(status.parked_seconds > 0 or status.app_parked_seconds > 0 for status in statuses)
    return {"xpm_quota_used_ratio_max": used, "xpm_tenants_parked": {(): parked}}
