"""Lists the jobs that a filter matches, for people or for scripts."""

from __future__ import annotations

from portal_db import job_search
from portal_db.job_search import Filter
from worker.cli import job_telling
from worker.cli.acting import cursor, more
from worker.cli.output import console, say, say_json
from worker.cli.record import opened


def show(which: Filter, *, limit: int, after: str | None, as_json: bool, nothing: str, at: str) -> None:
    """Print one page.

    Args:
        nothing: what is said when there is none.
        at: heads the column of times.
    """
    with opened() as record, record.database.read() as tx:
        found = job_search.listing(tx, which, limit=limit, after=cursor(after))
    if as_json:
        say_json(job_telling.results(found, which))
        return
    if not found:
        say(nothing)
        return
    console().print(job_telling.listed(found, at))
    more(len(found), limit, job_search.cursor_of(which, found[-1]))
