"""XPM fails in each way that its simulator knows: it refuses, fails, hangs, drips, disconnects and truncates answers.

The simulator counts what happened; recovery is measured on one more import, requested when the fault is over.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx

from handlers.directory.sync import begin_sync
from handlers.integration import connect
from handlers.integration.connect import Connected, ConnectingStaff
from handlers.jobs.kinds import JobKind
from portal_db.dialect import delete_rows, update_rows
from portal_db.directory import directories
from portal_db.states import ConnectionState, JobState, SyncMode
from portal_db.tables import Directory, DirectoryRecord, Job
from portal_db.work import pauses
from portal_db.work.due import due_in
from portal_db.xero import connections
from tests.faults.trial import Fault, Trial
from tests.world import TENANT
from xpm.client import Access, XpmApi
from xpm.errors import XpmMalformed, XpmUnreachable
from xpm.limiter import UnlimitedLimiter
from xpm.simulator.faults import FaultRule
from xpm.simulator.faults import Kind as Wrong

GET = "client.api/get"
LIST = "client.api/list"
CUT_SHORT: tuple[Wrong, ...] = ("short_body", "truncate")


def too_many_requests(trial: Trial) -> None:
    """Another app uses up XPM's calls: whoever asks meanwhile is answered 429. More imports are requested then, so that
    there are calls to refuse however fast the first ones were."""
    quota, counters = trial.stage.xpm.simulator.quota, trial.stage.xpm.simulator.counters
    limits = quota.limits
    trial.ask()
    trial.under_way()
    before = counters.refusals.total()
    quota.limits, quota.enforce = replace(limits, concurrent=0), True
    trial.ask(trial.imports // 2)
    wanted = trial.much(4, 20)
    trial.wait(lambda: counters.refusals.total() - before >= wanted, "XPM refuses", 90)
    trial.count_in_flight()
    quota.limits, quota.enforce = limits, False
    trial.injected = counters.refusals.total() - before
    trial.over()


def goes_wrong(
    trial: Trial, kinds: tuple[Wrong, ...], quick: int, long: int, seconds: tuple[float, float] = (0.0, 0.0)
) -> None:
    """A number of calls in a row fail in these ways while imports are under way.

    More imports are requested meanwhile, so that there are enough calls to fail. In a long run so many are an outage, whose
    waits are made shorter.
    """
    if not trial.stage.quick:
        trial.scale_outages(20)
    trial.ask()
    trial.under_way()
    for kind in kinds:
        trial.wrong(kind, GET, trial.much(quick, long), trial.much(*seconds))
    trial.ask(trial.imports // 2)
    trial.count_in_flight()
    trial.until_all_went_wrong(trial.much(45, 120))
    trial.over()


def lists_cut_short(trial: Trial) -> None:
    """Lists and single answers end early, with valid HTTP or not. A short list must not be taken for a whole one."""
    simulator = trial.stage.xpm
    xpm = XpmApi(simulator.api_url, limiter=UnlimitedLimiter())
    access = Access(TENANT, simulator.config.access_token)
    trial.ask()
    trial.under_way()
    for kind in CUT_SHORT:
        trial.wrong(kind, LIST, 2)
        trial.wrong(kind, GET, trial.much(4, 40))
    trial.ask(trial.imports // 2)
    trial.count_in_flight()
    for _ in range(4):
        try:
            with xpm.list(access, lane="import", deadline_seconds=20) as listing:
                found = sum(1 for _ in listing)
            trial.problems.append(f"a list cut short passed for one of {found} clients")
        except (XpmMalformed, XpmUnreachable):
            continue
    trial.until_all_went_wrong(60)
    with xpm.list(access, lane="import", deadline_seconds=20) as listing:
        if sum(1 for _ in listing) != len(simulator.simulator.practices[TENANT].clients):
            trial.problems.append("the list is not whole again")
    xpm.close()
    trial.over()


def lists_nobody(trial: Trial) -> None:
    """A full sync is answered with a list of nobody while imports read the directory: it is held, and nobody is gone."""
    stage, nobody = trial.stage, FaultRule("empty_list", LIST, count=10**9)
    trial.sync_directory()
    with stage.database.write() as tx:
        connection = connections.get_one(tx, trial.connection_id)
        directory = directories.ensure(tx, connection.xero_login_id, connection.tenant_id)
        stage.fault(nobody)
        begin_sync(tx, directory.id, SyncMode.FULL, asked_by="the matrix")
    trial.ask()
    trial.count_in_flight()
    held = "SELECT count(*) FROM directory_syncs WHERE directory_id = :directory AND state = 'held'"
    trial.wait(lambda: trial.scalar(held, directory=directory.id), "the sync is held", 30)
    stage.xpm.simulator.faults.rules.remove(nobody)
    trial.injected = 10**9 - nobody.count
    gone = "SELECT count(*) FROM directory_records WHERE xero_login_id = :login AND gone_at IS NOT NULL"
    if trial.scalar(gone, login=directory.xero_login_id):
        trial.problems.append("clients are gone that XPM has")
    trial.over()


def denied_for_a_moment(trial: Trial) -> None:
    """XPM denies calls in its own words, and Xero lists no connections, for a moment: no connection is broken for that.

    The minute that a denied job waits is made to pass at once.
    """
    stage, simulator = trial.stage, trial.stage.xpm.simulator
    pause, connection_id = _connect_without_directory(trial)
    nobody = FaultRule("empty_list", "connections", count=10**9)
    denied = "SELECT count(*) FROM jobs WHERE practice_id = :practice AND error_code = 'xero_denied'"
    stage.fault(nobody)
    simulator.knobs = simulator.knobs.changed({"privilege_lost": True})
    trial.ask()
    trial.wait(lambda: trial.scalar(denied), "jobs are denied", 30)
    trial.count_in_flight()
    simulator.knobs = simulator.knobs.changed({"privilege_lost": False})
    simulator.faults.rules.remove(nobody)
    trial.wait(lambda: not trial.scalar("SELECT count(*) FROM jobs WHERE state = 'running'"), "the moment is over", 30)
    trial.injected = 10**9 - nobody.count
    with stage.database.write() as tx:
        mine = (Job.practice_id == trial.practice_id, Job.state == JobState.WAITING, Job.error_code == "xero_denied")
        update_rows(tx, Job, *mine, **due_in(0))
        pauses.lift(tx, pause)
        connection = connections.get_one(tx, connection_id)
    if connection.state is not ConnectionState.CONNECTED:
        trial.problems.append("the connection is broken")
    trial.over()


def revoked(trial: Trial) -> None:
    """The consent behind the token is revoked at Xero; jobs wait, the person reconnects, and all resume. More imports are
    requested meanwhile: the first ones may have made all their calls."""
    stage = trial.stage
    pause, _ = _connect_without_directory(trial)
    trial.ask()
    trial.under_way()
    stage.xpm.simulator.grants.revoke_all()
    stage.xpm.simulator.grants.expire_all()
    trial.ask(trial.imports // 2)
    waiting = "SELECT count(*) FROM jobs WHERE practice_id = :practice AND error_code = 'reconnect_xpm'"
    trial.wait(lambda: trial.scalar(f"{waiting} AND state = 'waiting'"), "jobs wait for the connection")
    trial.injected = int(trial.scalar(waiting))
    trial.count_in_flight()
    _consent(trial)
    with stage.database.write() as tx:
        pauses.lift(tx, pause)
    trial.over()


def _connect_without_directory(trial: Trial) -> tuple[UUID, UUID]:
    """Connect by a consent in place of the token that never expires, and pause syncs: a directory that is filled answers the
    imports, and none of them calls XPM. It is that of every trial whose person consents, so what an earlier one has read is
    forgotten.

    Returns:
        The pause, and the connection.
    """
    syncs = "SELECT count(*) FROM jobs WHERE kind = 'sync_directory' AND state IN ('queued', 'running', 'waiting')"
    trial.wait(lambda: not trial.scalar(syncs), "earlier syncs have ended")
    with trial.stage.database.write() as tx:
        connections.disconnect(tx, trial.connection_id)
        update_rows(tx, Directory, Directory.cursor.is_not(None), cursor=None)
        delete_rows(tx, DirectoryRecord, DirectoryRecord.xpm_uuid.is_not(None))
        pause = trial.pause(tx, JobKind.SYNC_DIRECTORY)
    return pause, _consent(trial)


def _consent(trial: Trial) -> UUID:
    """Complete the consent at Xero; the connection that it makes."""
    database, settings = trial.stage.database, trial.stage.settings
    person = ConnectingStaff(trial.practice_id, trial.staff_id)
    answer = httpx.get(connect.begin(database, settings, person), trust_env=False)
    back = {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}
    done = connect.complete(database, settings, person, state=back["state"], code=back["code"])
    assert isinstance(done, Connected)
    return done.connection_id


FAULTS: dict[str, Fault] = {
    "XPM answers 429": too_many_requests,
    "XPM 5xx bursts": partial(goes_wrong, kinds=("status_503", "status_500"), quick=3, long=12),
    "XPM hangs": partial(goes_wrong, kinds=("hang",), quick=4, long=8, seconds=(3.0, 60.0)),
    "XPM drips": partial(goes_wrong, kinds=("slow_drip",), quick=4, long=8, seconds=(0.5, 8.0)),
    "XPM resets, also mid-body": partial(goes_wrong, kinds=("reset", "truncate"), quick=3, long=12),
    "XPM answered by a firewall": partial(
        goes_wrong, kinds=("html_200", "redirect", "no_content", "html_403"), quick=1, long=6
    ),
    "XPM falls silent": partial(goes_wrong, kinds=("silence",), quick=4, long=8, seconds=(3.0, 30.0)),
    "XPM lists cut short": lists_cut_short,
    "XPM lists nobody": lists_nobody,
    "XPM denies for a moment": denied_for_a_moment,
    "Xero token revoked": revoked,
}
